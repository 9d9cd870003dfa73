"""Shapes of the API of bots and sessions. What a request means is checked by `bots.services`."""
