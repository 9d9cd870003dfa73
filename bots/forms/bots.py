"""The form of a bot: text as people type it ↔ the body of POST /api/bots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from django.http import QueryDict

from accounts.models import User
from bots import selectors
from bots.forms.accounts import AccountForm
from bots.models import Bot, Mode
from bots.services import bot_requests, feeds
from engine.errors import Fault, InputError
from strategies import session_settings
from strategies.run_form import MOST_DIGITS, PARAMETERS, as_text
from strategies.selectors import MAX_ID
from strategies.services.gate import CONDITIONS
from tradingsite.lib.errors import Conflict

STOP_CHOICES = (("flatten", "Close every position"), ("keep", "Keep positions"))


class BotForm(AccountForm):
    """What stands in the form of a bot."""

    PLAIN = (
        "name", "description", "timeframe", "match_timeframe", "capital", "trading_frequency", "preset", "feed", "run",
        "stop_policy", "broker_account_id", *AccountForm.OPTION_NAMES,
    )  # fmt: skip
    DEFAULTS = {
        **AccountForm.DEFAULTS,
        "capital": "100000",
        "trading_frequency": "60",
        "run": Bot.Run.MANUAL.value,
        "stop_policy": "flatten",
    }
    run_choices = Bot.Run.choices
    stop_choices = STOP_CHOICES
    bot: Bot | None = None  # the one that is changed

    @classmethod
    def from_request(cls, user: User, sent: QueryDict) -> Self:
        """As sent by the page, which names the bot that it changes."""
        form = super().from_request(user, sent)
        named = sent.get("bot", "")
        if named.isdecimal() and len(named) < MOST_DIGITS:
            form.bot = selectors.bots(user).filter(pk=min(int(named), MAX_ID)).first()
        return form

    @property
    def is_live(self) -> bool:
        return bool(self.values.get("broker_account_id"))

    @classmethod
    def from_bot(cls, user: User, bot: Bot) -> BotForm:
        """Filled in with what the bot is."""
        settings = session_settings.as_json(session_settings.clean(bot.settings))
        plain = {name: as_text(getattr(bot, name)) for name in ("name", "description", "trading_frequency", "run")}
        plain |= {"stop_policy": bot.stop_policy, "capital": as_text(float(bot.capital))}
        plain["broker_account_id"] = as_text(bot.broker_account_id or "")
        return cls(user, {**cls.market_values(bot), **cls.setting_values(settings), **plain})

    def payload(self) -> tuple[dict[str, Any], list[Fault]]:
        """The request body. A bot keeps settings, not the preset they came from, and its own indicator rules."""
        body, faults = super().payload()
        rules = self.bot.indicators if self.bot else {}
        if rules and body.get("strategy") == CONDITIONS and self.bot.strategy_parameters == body[PARAMETERS]:
            for name in ("strategy", PARAMETERS):
                body.pop(name)
            body["indicators"] = rules
        named = body.pop("broker_account_id", None)
        if named and self.account is None:
            hint = "Choose another, or paper"
            faults.append(Fault("broker_account_id", "unknown_choice", "This account is not in use.", hint))
        mode = Mode.PAPER if self.account is None else Mode.LIVE
        body |= {"mode": mode.value, "broker_account_id": None if self.account is None else self.account.pk}
        preset = body.pop("preset", None)
        if preset in session_settings.PRESETS:
            base = session_settings.as_json(session_settings.preset(preset))
            body["settings"] = {**base, **body["settings"]}
        return body, faults

    def examine(self, body: Mapping[str, Any]) -> list[Fault]:
        """As `bots.services.bot_requests.clean`; its cautions are those of a session that it would start."""
        try:
            columns = bot_requests.clean(self.user, body)
        except Conflict as refusal:  # the account was closed, or its keys were refused, since the form was drawn
            raise InputError(Fault("broker_account_id", refusal.code, refusal.message)) from None
        calendar = feeds.calendar(self.user, columns["feed"], columns["feed_options"], columns["symbols"])
        return session_settings.cautions(session_settings.clean(columns["settings"]), calendar=calendar)
