"""Reads: what is set of a bot's secrets. Their values are revealed by whoever uses them, at that moment."""

from __future__ import annotations

from accounts.models import User
from bots.models import BotSecrets
from bots.selectors.sessions import bot as bot_of


def bot_secrets(user: User, bot_id: int) -> BotSecrets:
    """A bot's row of secrets; an empty one, not stored, where nothing was set. Raises NotFound."""
    bot = bot_of(user, bot_id)
    return BotSecrets.objects.filter(bot=bot).first() or BotSecrets(bot=bot)


def own_chat(bot_id: int | None) -> BotSecrets | None:
    """The bot's secrets where it has a Telegram chat of its own."""
    row = BotSecrets.objects.filter(bot=bot_id).first() if bot_id is not None else None
    return row if row is not None and row.has_chat else None
