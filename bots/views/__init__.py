"""Pages of bots and of what they trade."""
