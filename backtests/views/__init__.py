"""Pages of backtests. Thin: what they show comes from `backtests.selectors`, what they do from `backtests.services`."""
