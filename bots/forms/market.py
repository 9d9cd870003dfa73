"""The part about the market that forms of sessions and bots share: feed, its options, symbols, timeframe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from django.http import QueryDict

from accounts import selectors as people
from accounts.models import User
from bots.models import Bot, TradingSession
from engine.errors import Fault
from marketdata.adjust import ADJUSTMENT_LABELS
from marketdata.models.instrument import Source
from strategies.run_form import CUSTOM, SAVED, SETTINGS, TIMEFRAME_LABELS, RunForm, as_text, read_number

SIMULATED = ("SIM-ALPHA", "SIM-BETA", "SIM-GAMMA", "SIM-DELTA")
OPTIONS = "feed_options"
# what each feed takes; the rest of the form's option fields is hidden, and is not sent
OPTION_FIELDS = {
    "synthetic": ("seed", "ticks_per_s", "accelerate"),
    "replay": ("source", "start", "end", "speed", "adjustment"),
    "alpaca": ("account",),
    "binance": ("account",),
}
OPTION_NUMBERS = ("seed", "ticks_per_s", "accelerate", "speed", "account")
FEED_CHOICES = (
    ("synthetic", "Synthetic market", "A made-up market that trades round the clock, at once. For trying things out."),
    (
        "replay",
        "Replay of stored prices",
        "Days of the past, bar by bar, as fast as you like. Real prices, known outcome.",
    ),
    (
        "alpaca",
        "Alpaca, live",
        "Stocks and coins as they trade now, by your account's keys or the installation's.",
    ),
    ("polygon", "Polygon, live", "Stocks as they trade now, by the installation's key."),
    ("binance", "Binance, live", "Pairs of coins as they trade now. Needs no key."),
)
PACES = (
    ("1", "As fast as real time"),
    ("10", "10 times faster"),
    ("60", "60 times faster"),
    ("600", "600 times faster"),
)


class MarketForm(RunForm):
    """A form with a market in it."""

    NUMBERS = ("initial_cash", "capital", "trading_frequency")
    DEFAULTS = {
        "strategy": "ma_crossover",
        "timeframe": "1m",
        "preset": "standard",
        "feed": "synthetic",
        **{f"{OPTIONS}.{name}": value for name, value in (
            ("accelerate", "1"), ("ticks_per_s", "2"), ("source", "sample"), ("speed", "60"),
            ("adjustment", "split_dividend"),
        )},
    }  # fmt: skip
    OPTION_NAMES = tuple(dict.fromkeys(f"{OPTIONS}.{name}" for names in OPTION_FIELDS.values() for name in names))
    feed_choices = FEED_CHOICES
    paces = PACES
    simulated = SIMULATED

    def payload(self) -> tuple[dict[str, Any], list[Fault]]:
        """The request body, with the options of the chosen feed in their own place."""
        body, faults = super().payload()
        for name in self.OPTION_NAMES:
            body.pop(name, None)
        options: dict[str, Any] = {}
        for name in OPTION_FIELDS.get(self.values["feed"], ()):
            typed = self.values.get(f"{OPTIONS}.{name}")
            if typed:
                path = f"{OPTIONS}.{name}"
                options[name] = read_number(path, typed, faults) if name in OPTION_NUMBERS else typed
        body[OPTIONS] = options
        return body, faults

    @classmethod
    def from_request(cls, user: User, sent: QueryDict) -> Self:
        """As sent by the page, which shows the options of one feed."""
        form = super().from_request(user, sent)
        form.unseen |= {name for name in cls.OPTION_NAMES if name not in sent}
        return form

    @classmethod
    def market_values(cls, row: Bot | TradingSession) -> dict[str, Any]:
        """What an earlier session or a bot says about its market, as the form's values."""
        values: dict[str, Any] = {"symbols": list(row.symbols), "timeframe": row.timeframe, "feed": row.feed}
        values["match_timeframe"] = row.match_timeframe
        values |= {f"{OPTIONS}.{name}": as_text(value) for name, value in row.feed_options.items()}
        saved, custom = row.saved_strategy_id, row.custom_strategy_id
        values["strategy"] = f"{CUSTOM}{custom}" if custom else f"{SAVED}{saved}" if saved else row.strategy
        values |= {f"strategy_parameters.{name}": _typed(value) for name, value in row.strategy_parameters.items()}
        return values

    @staticmethod
    def setting_values(settings: Mapping[str, Any]) -> dict[str, Any]:
        """Settings (JSON-ready) as the form's values."""
        return {f"{SETTINGS}.{name}": _typed(value) for name, value in settings.items()}

    @property
    def options(self) -> dict[str, str]:
        """What stands in the feed's option fields, by plain name."""
        return {name.removeprefix(f"{OPTIONS}."): self.values.get(name) or "" for name in self.OPTION_NAMES}

    @property
    def option_errors(self) -> dict[str, str]:
        return {name.removeprefix(f"{OPTIONS}."): self.errors.get(name, "") for name in self.OPTION_NAMES}

    @property
    def timeframe_choices(self) -> list[tuple[str, str]]:
        return list(TIMEFRAME_LABELS.items())

    @property
    def source_choices(self) -> list[tuple[str, str]]:
        return [(str(value), label) for value, label in Source.choices]

    @property
    def account_choices(self) -> list[tuple[str, str]]:
        """The user's accounts at the broker whose prices were chosen."""
        rows = people.broker_accounts(self.user).filter(kind=self.values["feed"])
        return [(str(row.pk), str(row)) for row in rows]

    @property
    def adjustment_choices(self) -> list[tuple[str, str]]:
        return list(ADJUSTMENT_LABELS.items())


def _typed(value: object) -> Any:
    return value if isinstance(value, list | bool) else as_text(value)
