"""News of orders that a venue names by itself: legs of a bracket or an OCO, heard of before the answer that names them.

A leg's row is written with its group, and the venue's id of it comes with the answer to the first of the group, or when
the venue is asked for that one. Until then nobody can say whose a fill on that side of the symbol is: it waits, for so
long at most as an answer may take to be proven. Only then is it nobody's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from accounts.models import BrokerAccount
from bots.brokers.base import BrokerEvent
from bots.live.grouping import leg_id
from bots.models import Order, OrderRole
from bots.orders import WORKING

HOLD_S = 90.0  # a lost answer is proven within a minute, and then still to be booked
FIRST_ASK_S, LONGEST_ASK_S = 0.5, 10.0


@dataclass(frozen=True, slots=True)
class Heard:
    """An event, since when it is here (monotonic), and the session that it is of; 0: not known."""

    event: BrokerEvent
    since: float
    session_id: int = 0


class Unnamed:
    """What waits for its name. ask: has the venue asked for an order of ours. symbols: of fills that wait, whose units
    are in nobody's book yet."""

    def __init__(
        self, account: BrokerAccount, ask: Callable[[Order], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._account, self._ask, self._clock = account, ask, clock
        self._asks: dict[str, tuple[float, float]] = {}  # first of a group → when it is asked for, and how long then
        self.symbols: frozenset[str] = frozenset()

    def part(self, heard: Sequence[Heard]) -> tuple[list[Heard], list[Heard]]:
        """(those that go on, those that wait), in their order. A query where one of them is nobody's."""
        now = self._clock()
        legs = _legs(self._account) if any(_may_wait(each) for each in heard) else []
        goes_on: list[Heard] = []
        waits: list[Heard] = []
        for each in heard:
            among = _among(each, legs) if _may_wait(each) and now - each.since < HOLD_S else []
            (waits if among else goes_on).append(each)
            for first in {leg.sent_with for leg in among}:
                self._ask_for(first, now)
        if not waits:
            self._asks.clear()
        self.symbols = frozenset(each.event.execution.symbol for each in waits if each.event.execution is not None)
        return goes_on, waits

    def _ask_for(self, first: str, now: float) -> None:
        """Have the venue asked for the first of a group, less and less often: the answer names its legs."""
        due, wait_s = self._asks.setdefault(first, (now + FIRST_ASK_S, FIRST_ASK_S * 2))
        if now < due:
            return
        self._asks[first] = (now + wait_s, min(wait_s * 2, LONGEST_ASK_S))
        order = Order.objects.filter(broker_account=self._account, client_order_id=first).first()
        if order is not None:
            self._ask(order)


def _may_wait(heard: Heard) -> bool:
    return not heard.session_id and heard.event.kind != "flow"


def _among(heard: Heard, legs: Sequence[Order]) -> list[Order]:
    """The legs that it may be of."""
    told = heard.event.execution or heard.event.order
    return [leg for leg in legs if told is not None and (leg.symbol, leg.side) == (told.symbol, told.side)]


def _legs(account: BrokerAccount) -> list[Order]:
    """Legs of this account whose name at the venue is not known."""
    rows = Order.objects.filter(broker_account=account, broker_order_id="", state__in=WORKING)
    rows = rows.exclude(sent_with="").exclude(role=OrderRole.PLAIN)
    return [row for row in rows if row.client_order_id == leg_id(row.sent_with, row.role)]
