"""The bodies of the routes in `accounts.api`."""
