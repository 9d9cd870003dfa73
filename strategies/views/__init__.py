"""Pages of strategies. Thin: reads are in `strategies.selectors`, writes in `strategies.services`."""
