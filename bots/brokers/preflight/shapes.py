"""What a preflight knows, and what it finds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from bots.brokers.base import BrokerOrder, Capabilities, InstrumentRules, Money

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason for which the venue would refuse. code: one of `bots.brokers.base.REFUSALS`. field: of OrderRequest.
    nearest: the nearest value that it takes, where there is one. blocks: False where the order is taken, though not
    as one might think.
    """

    code: str
    text: str
    field: str
    nearest: Decimal | None = None
    blocks: bool = True


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the account and the market at this moment; None: nothing.

    held: signed units of the symbol in the whole account. open_orders: every order of the account that can still fill.
    bid, ask: the last price where there is no quote. is_open: the symbol's exchange trades now.
    """

    rules: InstrumentRules | None
    capabilities: Capabilities
    money: Money | None = None
    held: Decimal = ZERO
    open_orders: Collection[BrokerOrder] = ()
    last: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    is_open: bool = True

    @property
    def has_wash_rule(self) -> bool:
        """Orders of one account that could meet are refused: Alpaca's rule, as are its brackets."""
        return "bracket" in self.capabilities.native_classes

    @property
    def is_spot(self) -> bool:
        """What is held is a balance: nothing can be sold that is not there."""
        return self.capabilities.whole_position_is_balance or bool(self.rules and self.rules.base)


def plain(value: Decimal) -> str:
    """Digits for people: no exponent, no zeros at the end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
