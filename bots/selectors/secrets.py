"""Reads: what is set of a bot's secrets. Their values are revealed by whoever uses them, at that moment."""

from __future__ import annotations

from accounts.models import User
from bots.models import Bot, BotSecrets
from bots.selectors.sessions import bot as bot_of


def bot_secrets(user: User, bot_id: int) -> BotSecrets:
    """A bot's row of secrets; an empty one, not stored, where nothing was set. Raises NotFound."""
    return secrets_of(bot_of(user, bot_id))


def secrets_of(bot: Bot) -> BotSecrets:
    """`bot_secrets` of a bot that is at hand."""
    return BotSecrets.objects.filter(bot=bot).first() or BotSecrets(bot=bot)


def own_chat(bot_id: int | None) -> BotSecrets | None:
    """The bot's secrets where it has a Telegram chat of its own."""
    row = BotSecrets.objects.filter(bot=bot_id).first() if bot_id is not None else None
    return row if row is not None and row.has_chat else None
