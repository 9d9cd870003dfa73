"""What a publication is of, seen alike whether it was made from the catalogue or of conditions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from engine.errors import Fault, InputError
from strategies import catalogue, session_settings
from strategies.base import Strategy
from strategies.gallery.models import HASH_LENGTH
from strategies.models import CustomStrategy, UserStrategy
from strategies.panel import PanelStrategy

Subject = UserStrategy | CustomStrategy
CONDITIONS = "conditions"
SAMPLE_SYMBOLS = ("AAPL", "IBM", "MSFT", "GOOG")
STARTING_CASH = 100_000
# What every publication pays, whatever its own settings say, so that all are measured alike and none for free.
COSTS = {
    "commission_rate": 0.0005,
    "commission_per_share": 0.0,
    "commission_min": 0.0,
    "slippage_model": "proportional",
    "slippage_value": 0.0005,
    "fill_at": "next_open",
    "close_at_end": False,
}
IN_SAMPLE_SHARE = 0.7


def kind_of(subject: Subject) -> str:
    """The kind it is listed under."""
    if has_conditions(subject) or not isinstance(subject, UserStrategy):
        return CONDITIONS
    return subject.strategy_type


def slug_of(subject: Subject) -> str:
    """Its slug in the catalogue."""
    return subject.strategy if isinstance(subject, UserStrategy) else CONDITIONS


def has_conditions(subject: Subject) -> bool:
    """Whether it is made of conditions, which are told in sentences and not as parameters."""
    return slug_of(subject) == CONDITIONS


def refuse_unsound(subject: Subject) -> None:
    """Raises InputError for conditions that failed their causality check."""
    if isinstance(subject, CustomStrategy) and subject.check_state == CustomStrategy.Check.FAILED:
        text = f"Its conditions failed their check: {subject.check_reason}"
        raise InputError(Fault("", "custom_failed_check", text, "Change them; each change is checked anew"))


def is_checked(subject: Subject) -> bool:
    """Whether a worker has looked at its conditions already; there are none to look at in a catalogue strategy."""
    return not isinstance(subject, CustomStrategy) or subject.check_state != CustomStrategy.Check.PENDING


def declared(subject: Subject) -> type[Strategy]:
    """Its catalogue entry. Raises InputError where that is no longer shipped."""
    return catalogue.get(slug_of(subject))


def run_settings(subject: Subject) -> dict[str, Any]:
    """The settings that it is measured with, JSON-ready: its own, with everybody's costs."""
    return session_settings.as_json(session_settings.clean({**own_settings(subject), **COSTS}))


def own_settings(subject: Subject) -> dict[str, Any]:
    """The settings that its owner keeps with it; conditions have none."""
    return subject.settings if isinstance(subject, UserStrategy) else {}


def symbols_for(strategy: type[Strategy]) -> list[str]:
    """The sample symbols that it is measured on where its owner chose none: all, or as many as it takes."""
    most = strategy.most if issubclass(strategy, PanelStrategy) else len(SAMPLE_SYMBOLS)
    return list(SAMPLE_SYMBOLS[:most])


def choice_of(subject: Subject, market: Sequence[Any]) -> str:
    """A hash of what the owner chose: what decides, with which settings, measured on which market."""
    kept = {name: value for name, value in own_settings(subject).items() if name not in COSTS}
    return _hash([slug_of(subject), subject.parameters, kept, list(market)])


def version_of(subject: Subject, choice: str) -> str:
    """A hash of the choice, of the code that turns it into signals, and of what every publication is measured with.

    Raises InputError as `declared`.
    """
    return _hash([choice, declared(subject).version(), run_settings(subject), IN_SAMPLE_SHARE, STARTING_CASH])


def _hash(parts: list[Any]) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]
