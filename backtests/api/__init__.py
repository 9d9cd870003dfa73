"""REST routes of backtests and of performance records; see `backtests.api_urls`."""
