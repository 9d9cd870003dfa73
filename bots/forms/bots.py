"""The form of a bot: text as people type it ↔ the body of POST /api/bots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.models import User
from bots.forms.market import MarketForm
from bots.models import Bot
from bots.services import bot_requests, feeds
from engine.errors import Fault
from strategies import session_settings
from strategies.run_form import as_text

STOP_CHOICES = (("flatten", "Close every position"), ("keep", "Keep positions"))


class BotForm(MarketForm):
    """What stands in the form of a bot."""

    PLAIN = (
        "name", "description", "timeframe", "match_timeframe", "capital", "trading_frequency", "preset", "feed", "run",
        "stop_policy", *MarketForm.OPTION_NAMES,
    )  # fmt: skip
    DEFAULTS = {
        **MarketForm.DEFAULTS,
        "capital": "100000",
        "trading_frequency": "60",
        "run": Bot.Run.MANUAL.value,
        "stop_policy": "flatten",
    }
    run_choices = Bot.Run.choices
    stop_choices = STOP_CHOICES

    @classmethod
    def from_bot(cls, user: User, bot: Bot) -> BotForm:
        """Filled in with what the bot is."""
        settings = session_settings.as_json(session_settings.clean(bot.settings))
        plain = {name: as_text(getattr(bot, name)) for name in ("name", "description", "trading_frequency", "run")}
        plain |= {"stop_policy": bot.stop_policy, "capital": as_text(float(bot.capital))}
        return cls(user, {**cls.market_values(bot), **cls.setting_values(settings), **plain})

    def payload(self) -> tuple[dict[str, Any], list[Fault]]:
        """The request body. A bot keeps settings, not the preset they came from."""
        body, faults = super().payload()
        preset = body.pop("preset", None)
        if preset in session_settings.PRESETS:
            base = session_settings.as_json(session_settings.preset(preset))
            body["settings"] = {**base, **body["settings"]}
        return body, faults

    def examine(self, body: Mapping[str, Any]) -> list[Fault]:
        """As `bots.services.bot_requests.clean`; its cautions are those of a session that it would start."""
        columns = bot_requests.clean(self.user, body)
        calendar = feeds.calendar(self.user, columns["feed"], columns["feed_options"], columns["symbols"])
        return session_settings.cautions(session_settings.clean(columns["settings"]), calendar=calendar)
