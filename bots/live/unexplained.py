"""Orders that rest and that the venue has changed by itself: what nobody here asked for, until a booking explains it.

A broker rescales what rests when shares are split, and lists the split a while before or after that. Between the two,
its figures and ours are in different units, and nothing that is sent from ours can be right.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal

from bots.brokers.base import BrokerOrder
from bots.models import Order, OrderRole

MOVED = Decimal("0.02")  # a price that rests differs by less from what was sent: venues round
WAIT_S = 60.0  # for the split that explains it; after that a person must look
LINGERS_S = 30.0  # for so long after that every session of the account finds out
ASK_EVERY_S = 2.0


def units_ratio(order: Order, told: BrokerOrder) -> Decimal | None:
    """New units for each old one, as the venue's figures of one order differ from ours; None: they do not.

    Under one id of the venue's a price never changes by our hand: moving an order makes a new one. Nor does the
    quantity of an order that stands alone; an exit's shrinks with the other one of its group.
    """
    if not told.broker_order_id or told.broker_order_id != order.broker_order_id:
        return None
    for ours, theirs in ((order.stop_px, told.stop_px), (order.limit_px, told.limit_px)):
        if ours and theirs and abs(ours / theirs - 1) > MOVED:
            return ours / theirs
    if order.role == OrderRole.PLAIN and told.qty > 0 and abs(told.qty / order.qty - 1) > MOVED:
        was_netted = told.qty < order.qty and order.filled_qty > 0  # a part was settled with another session
        return None if was_netted else told.qty / order.qty
    return None


class Unexplained:
    """Symbols of one account whose resting orders were changed so. Written in the trading thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}
        self._asked = -float("inf")

    def note(self, symbol: str) -> None:
        self._tidy()
        self._since.setdefault(symbol, self._clock())

    def explained(self, symbol: str) -> None:
        self._since.pop(symbol, None)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._since and self._clock() - self._since[symbol] < WAIT_S

    def held(self) -> frozenset[str]:
        """Symbols for which nothing is sent while the venue is asked."""
        return frozenset(symbol for symbol in list(self._since) if symbol in self)

    def overdue(self) -> frozenset[str]:
        """Those that nothing has explained in time."""
        self._tidy()
        return frozenset(self._since) - self.held()

    def is_due(self) -> bool:
        """Whether the venue is to be asked again what has moved; True once for each time."""
        if not self.held() or self._clock() - self._asked < ASK_EVERY_S:
            return False
        self._asked = self._clock()
        return True

    def _tidy(self) -> None:
        oldest = self._clock() - WAIT_S - LINGERS_S
        self._since = {symbol: since for symbol, since in self._since.items() if since >= oldest}
