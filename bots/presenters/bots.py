"""A bot as its card shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.models import User
from bots.models import Bot
from bots.presenters.sessions import Card, cards, symbols_text
from bots.selectors import pages
from strategies import catalogue, session_settings


@dataclass(frozen=True)
class BotCard:
    """A bot and the card of the session that it runs (None without one)."""

    bot: Bot
    running: Card | None

    @property
    def strategy(self) -> str:
        return catalogue.label_of(self.bot.strategy)

    @property
    def symbols(self) -> str:
        return symbols_text(self.bot.symbols)

    @property
    def decides_on(self) -> str:
        return self.bot.paced[0]

    @property
    def matches_on(self) -> str:
        return self.bot.paced[1]

    @property
    def changed(self) -> list[tuple[str, object]]:
        """(label, value) of each setting that is not the default."""
        default = session_settings.as_json(session_settings.preset())
        return [
            (param.declaration()["label"] or name, self.bot.settings[name])
            for name, param in session_settings.SETTINGS.items()
            if name in self.bot.settings and self.bot.settings[name] != default[name]
        ]


def bot_cards(user: User, bots: Sequence[Bot]) -> list[BotCard]:
    """The card of each bot. Five queries for all of them. bots: as `selectors.bots` gives them, with `active_id`."""
    ids = [bot.active_id for bot in bots if bot.active_id is not None]
    running = {card.session.pk: card for card in cards(list(pages.live_sessions(user).filter(pk__in=ids)))}
    return [BotCard(bot, running.get(bot.active_id)) for bot in bots]
