"""Pages of strategies. Thin: what they show comes from `strategies.selectors`, what they do from `strategies.services`."""
