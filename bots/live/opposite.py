"""Sessions of one account that want opposite things: an entry is denied, or what can be is settled among them.

BLOCK: an entry against what another session holds, or is about to enter, is not sent: at the venue the two would undo
each other, and each would pay for it. NET: each has its own; of orders that are decided at the same instant on
opposite sides, at the market or with a limit that the last price meets, the common part changes hands at that price
without going to the venue, and the rest is sent.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from weakref import WeakValueDictionary

from django.db import connection

from accounts.models import BrokerAccount
from bots import mapping
from bots.brokers.base import BrokerEvent, Execution
from bots.host.account import Account
from bots.live.differences import plain
from bots.models import Order, OrderRole, Position, Side
from bots.orders import OrderState

NET = BrokerAccount.Opposite.NET
REASON = "opposite_order"
NOW = ("day", "gtc", "ioc")  # an auction's order is for its moment, and one that is filled whole or not at all is whole
_ZERO = Decimal(0)
_HELD = (
    "SELECT positions.id, session_id FROM positions JOIN trading_sessions ON trading_sessions.id = session_id"
    " WHERE broker_account_id = %s AND positions.symbol = %s AND is_open AND side = %s"
)


class Neighbours:
    """The sessions of one account, as this host has them in hand, and as rows where it runs them no more."""

    def __init__(self, account_id: int) -> None:
        self.account_id = account_id
        self._accounts: WeakValueDictionary[int, Account] = WeakValueDictionary()

    def join(self, account: Account) -> None:
        """A session that runs from now on; it leaves when its host lets go of it."""
        self._accounts[account.session.pk] = account

    @property
    def policy(self) -> str:
        """What the owner wants now; a query."""
        return str(BrokerAccount.objects.values_list("opposite_orders", flat=True).get(pk=self.account_id))

    def refusal(self, order: Order) -> str:
        """Why this entry must not be sent, in words; empty: it may."""
        sign = 1 if order.side == Side.BUY else -1
        other = next((each for each in self._against(order, sign)), None)
        if other is None or self.policy == NET:
            return ""
        name, what = other
        way = "bought" if sign > 0 else "sold"
        return f"“{name}” {what} on the same account: {order.symbol} is not {way} against it ({REASON})"

    def crossings(self, orders: list[Order]) -> list[Crossing]:
        """What of these orders is settled among sessions; none unless the owner wants that."""
        found = crossings(orders)
        return found if found and self.policy == NET else []

    def _against(self, order: Order, sign: int) -> Iterator[tuple[str, str]]:
        """(name, what it has) of each other session on the other side."""
        running = dict(self._accounts.items())
        for session_id, account in running.items():
            if session_id == order.session_id:
                continue
            held = account.book.holdings.get(order.symbol)
            if held is not None and held.sign != sign:
                yield str(account.session), f"holds {plain(held.qty * held.sign)} {order.symbol}"
            for tracked in account.orders.values():
                row = tracked.row
                if row.symbol == order.symbol and row.is_entry and (1 if row.side == Side.BUY else -1) != sign:
                    yield str(account.session), f"is about to {row.get_side_display().lower()} {order.symbol}"
        # An entry waits for this: the query is not built anew each time, which would take longer than to ask it.
        with connection.cursor() as cursor:
            cursor.execute(_HELD, [self.account_id, order.symbol, Side.SELL if sign > 0 else Side.BUY])
            held_by = [pk for pk, session_id in cursor.fetchall() if session_id not in {*running, order.session_id}]
        for position in Position.objects.filter(pk__in=held_by).select_related("session") if held_by else ():
            yield str(position.session), f"holds {plain(-sign * position.qty)} {order.symbol}"


@dataclass(frozen=True, slots=True)
class Crossing:
    """Units that change hands between two sessions."""

    buy: Order
    sell: Order
    qty: Decimal
    px: Decimal

    def events(self, at: datetime.datetime) -> dict[int, BrokerEvent]:
        """What each of both sessions hears, by its id: a fill, as if the venue had told it, without any fee."""
        return {
            self.buy.session_id: self._fill(self.buy, self.sell, at),
            self.sell.session_id: self._fill(self.sell, self.buy, at),
        }

    def _fill(self, own: Order, other: Order, at: datetime.datetime) -> BrokerEvent:
        execution = Execution(
            execution_id=f"net-{own.client_order_id}-{other.client_order_id}",
            broker_order_id="",
            client_order_id=own.client_order_id,
            symbol=own.symbol,
            side="BUY" if own.side == Side.BUY else "SELL",
            qty=self.qty,
            px=self.px,
            at=at,
        )
        return BrokerEvent("fill", at, execution=execution)


def crossings(orders: Iterable[Order]) -> list[Crossing]:
    """What of these orders can be settled among their sessions, in the order in which they stand: committed, not sent,
    at the market, or with a limit that the price meets. The price is the middle of what both were decided at. Pure."""
    left: dict[int, Decimal] = {}
    sides: dict[tuple[str, str], list[Order]] = {}
    for order in orders:
        is_new = order.state == OrderState.INTENT and order.role == OrderRole.PLAIN and not order.filled_qty
        if is_new and order.kind in ("market", "limit") and order.time_in_force in NOW and order.decision_px:
            left[id(order)] = order.qty
            sides.setdefault((order.symbol, order.side), []).append(order)
    found = []
    for (symbol, side), buys in sides.items():
        if side != Side.BUY:
            continue
        for buy in buys:
            for sell in sides.get((symbol, Side.SELL), []):
                qty = min(left[id(buy)], left[id(sell)])
                px = mapping.price(((buy.decision_px or _ZERO) + (sell.decision_px or _ZERO)) / 2)
                if qty > 0 and buy.session_id != sell.session_id and _takes(buy, px) and _takes(sell, px):
                    left[id(buy)] -= qty
                    left[id(sell)] -= qty
                    found.append(Crossing(buy, sell, qty, px))
    return found


def _takes(order: Order, px: Decimal) -> bool:
    """Whether its limit allows this price."""
    if order.kind == "market":
        return True
    if order.limit_px is None:
        return False
    return px <= order.limit_px if order.side == Side.BUY else px >= order.limit_px
