"""Whether a choice of strategy, parameters and rules was proven before it may trade real money.

Sessions and backtests never import each other, so the app that keeps passports registers itself here
(`AppConfig.ready`), and the app that starts sessions asks here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from accounts.models import User

# What a broker charges and how a figure is worked out decides no order.
NOT_DECIDING: Final = (
    "slippage_model", "slippage_value", "commission_rate", "commission_per_share", "commission_min", "volume_cap_ratio",
    "risk_free_rate_pct",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choice:
    """What trades: slug, all parameters, symbols, the timeframe it decides on, every session setting (JSON-ready)."""

    strategy: str
    parameters: Mapping[str, Any]
    symbols: Sequence[str]
    timeframe: str
    settings: Mapping[str, Any]

    def fingerprint(self) -> str:
        """SHA-256 of everything that decides an order; the order of the symbols and the costs do not."""
        rules = {name: value for name, value in self.settings.items() if name not in NOT_DECIDING}
        plain = [self.strategy, self.parameters, sorted(self.symbols), self.timeframe, rules]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


_refusers: list[Callable[[User, Choice], None]] = []


def register(refuse: Callable[[User, Choice], None]) -> None:
    """Make `refuse(user, choice)` what raises Unprocessable for a choice without a passing passport."""
    _refusers[:] = [refuse]


def refuse_without(user: User, choice: Choice) -> None:
    """Raises Unprocessable (code ``needs_passport``) where the choice has no passing passport that still holds."""
    _refusers[0](user, choice)
