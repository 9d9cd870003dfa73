"""Pages of the dashboard, sessions, bots and what they trade. Thin: reads come from `bots.selectors`, writes go to
`bots.services`."""
