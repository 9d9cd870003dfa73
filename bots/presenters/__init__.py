"""What templates draw of bots and sessions, worked out in Python."""

from bots.presenters.sessions import Card, SessionHead, cards, heads

__all__ = ["Card", "SessionHead", "cards", "heads"]
