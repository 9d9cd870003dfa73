"""Pages of the dashboard, sessions and bots. Thin: reads come from `bots.selectors`, writes go to `bots.services`."""
