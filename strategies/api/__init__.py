"""REST routes of strategies."""
