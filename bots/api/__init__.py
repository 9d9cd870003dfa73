"""REST routes of bots, trading sessions and what they did; see `bots.api_urls`."""
