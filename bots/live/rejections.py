"""Entries that the venue rejects wait longer with each rejection: tried at every bar they would use up the requests of
the account's minute, and delay its exits."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from bots.models import Order, TradingSession
from bots.orders import GROUPS, OrderState
from marketdata.columns import TIMEFRAME_NS

MOST_BARS = 60
MOST = datetime.timedelta(minutes=15)
REMEMBERED = MOST_BARS.bit_length()  # so many rejections in a row lead to the longest wait
_SAY_NOTHING = (OrderState.DENIED, *GROUPS["pending"])


@dataclass(frozen=True, slots=True)
class _Wait:
    rejections: int
    until: datetime.datetime
    why: str


class Rejections:
    """By symbol, of one session: how often in a row the venue has rejected its entries, and until when none is sent.

    After n rejections an entry waits 2ⁿ bars, at most 60 of them and a quarter of an hour, from the bar that the last
    one was decided on. An entry that the venue took and did not reject forgets them.
    """

    def __init__(self, session: TradingSession) -> None:
        self._bar = datetime.timedelta(microseconds=TIMEFRAME_NS[session.timeframe] / 1_000)
        self._waits: dict[str, _Wait] = {}
        entries = session.orders.filter(is_entry=True).exclude(state__in=_SAY_NOTHING).order_by("-seq")
        for order in reversed(list(entries[: REMEMBERED * len(session.symbols)])):
            if order.state == OrderState.REJECTED:
                self.rejected(order)
            else:
                self.accepted(order.symbol)

    def rejected(self, order: Order) -> None:
        """This entry was rejected, at once or after the venue had taken it."""
        before = self._waits.get(order.symbol)
        count = min(1 if before is None else before.rejections + 1, REMEMBERED)
        wait = min(min(2**count, MOST_BARS) * self._bar, MOST)
        self._waits[order.symbol] = _Wait(count, order.decided_at + wait, order.state_reason)

    def accepted(self, symbol: str) -> None:
        """The venue has taken an entry, and it has ended by another way than a rejection."""
        self._waits.pop(symbol, None)

    def refusal(self, order: Order) -> str:
        """Why this entry is not sent yet, in words; empty: nothing waits."""
        wait = self._waits.get(order.symbol)
        if wait is None or order.decided_at >= wait.until:
            return ""
        last = f"The last entry of {order.symbol} was" if wait.rejections == 1 else f"Entries of {order.symbol} were"
        why = f" The last time: {wait.why}" if wait.why else ""
        return f"{last} rejected; the next one may leave from {wait.until:%Y-%m-%d %H:%M:%S} UTC on.{why}"
