"""Writes: what a user does with bots and trading sessions. Pages, API and commands call these and nothing below them.

Every function takes the acting user and touches only that user's rows; other ids raise `NotFound`.
"""

from bots.services import bots, emergency, inbox, parity, secrets, sessions, settings, templates

__all__ = ["bots", "emergency", "inbox", "parity", "secrets", "sessions", "settings", "templates"]
