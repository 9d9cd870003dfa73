"""Units that a session gives back by its owner's wish: to what its account holds beside its sessions.

Its exits at the venue let go of them first, so that none of them can sell what is not the session's any more. Then they
leave its book, and what they are worth with them: a withdrawal in kind, no result of trading.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal

from bots.live.account import LiveAccount
from bots.live.differences import DUST
from bots.live.protection.shapes import room
from bots.live.protector import Protector
from bots.live.reserve import BY_HAND, VALUE
from bots.models import BookingRequest, OrderRole
from bots.orders import OrderState

PATIENCE_S = 20.0  # exits of the session wait so long at most
NOT_LET_GO = "Its orders at the venue did not let go of them in time. Ask again"
NOT_GIVEN = "The units were not given back"


class Giving:
    """What waits in one session. clock: monotonic seconds."""

    def __init__(self, account: LiveAccount, protector: Protector, clock: Callable[[], float] = time.monotonic) -> None:
        self._account, self._protector, self._clock = account, protector, clock
        self._since: dict[int, float] = {}  # by request

    def judge(self, request: BookingRequest) -> str | None:
        """Why it is not booked: in words, or None because it has to wait; empty: it may be."""
        if not request.ref.startswith(BY_HAND):
            return ""
        if request.ref.endswith(VALUE):
            units = request.session.booking_requests.get(ref=request.ref.removesuffix(VALUE))
            return None if units.done_at is None else NOT_GIVEN if units.refused else ""
        qty = abs(request.qty or Decimal(0))
        self._protector.given[request.symbol] = qty
        if self._is_free(request.symbol, qty):
            return ""
        waited = self._clock() - self._since.setdefault(request.pk, self._clock())
        return NOT_LET_GO if waited > PATIENCE_S else None

    def done(self, request: BookingRequest) -> None:
        """It is booked, or was refused."""
        self._since.pop(request.pk, None)
        if request.ref.startswith(BY_HAND):
            self._protector.given.pop(request.symbol, None)

    def _is_free(self, symbol: str, qty: Decimal) -> bool:
        """Whether so many units are held by no order at the venue."""
        now = self._protector.situation(symbol, None, is_open=True)
        sent = [
            tracked.view.qty - tracked.view.filled
            for tracked in self._account.orders.values()
            if tracked.row.symbol == symbol and tracked.row.role == OrderRole.PLAIN and not tracked.row.is_entry
            and tracked.view.state is not OrderState.INTENT
        ]  # fmt: skip
        return now is None or room(now) - sum(sent, Decimal(0)) >= qty - DUST
