"""The reconciliation of one broker account: what our rows say against what the venue says, taken down for its owner.

`look` asks the venue (blocking), `take_down` writes what came of it; whoever holds the account's lease calls both, each
sweep and after each sign-in of its stream. What is written: holdings and money of the account, and the inbox
(`bots.models.Discrepancy`): a difference is one row while it lasts, and ends by itself when it is gone.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from accounts.models import BrokerAccount
from accounts.services.notifications import notify
from bots import inbox_news
from bots.brokers.base import Broker
from bots.live import bookings, cash
from bots.live.differences import (
    CASH,
    POSITION,
    Comparison,
    Difference,
    Doubts,
    Ours,
    Part,
    Truth,
    Working,
    compare,
    first_external,
)
from bots.models import BrokerHolding, Discrepancy, Order, Position, Side
from bots.orders import WORKING

__all__ = [
    "Comparison", "Difference", "Doubts", "Found", "Ours", "Part", "Truth", "Working", "compare", "look",
    "open_account", "ours_of", "take_down",
]  # fmt: skip

SKEW = datetime.timedelta(seconds=1)  # between the clocks of those who book
_ZERO = Decimal(0)
_State = Discrepancy.State


@dataclass(slots=True)
class Found:
    """What one look led to. broken: {session id: why}, which must halt. opened, ended: rows of the inbox."""

    broken: dict[int, str] = field(default_factory=dict)
    opened: list[Discrepancy] = field(default_factory=list)
    ended: list[Discrepancy] = field(default_factory=list)
    agrees: bool = True


def look(broker: Broker) -> Truth:
    """Ask the venue for orders, positions and money, in this order: what fills meanwhile shows in the later ones.

    Raises what `Broker` raises.
    """
    at = timezone.now()
    orders = broker.open_orders()
    positions = broker.positions()
    return Truth(at, broker.money(), tuple(positions), tuple(orders))


def open_account(account: BrokerAccount, broker: Broker, fence: int) -> None:
    """The first look, before anything of ours trades there: what it finds was there before. Blocking; done once."""
    if not account.cash_flows.filter(ref=cash.OPENING).exists():
        take_down(account, look(broker), fence=fence)


def ours_of(account: BrokerAccount, truth: Truth, moved: frozenset[str] = frozenset()) -> Ours:
    """What our rows say. truth: only the orders that it lists are looked up among those that are over. moved: symbols
    that were traded since it was asked: nothing can be said of their units, nor of cash."""
    positions = Position.objects.filter(session__broker_account=account, is_open=True).select_related("session")
    parts = tuple(
        Part(row.session_id, str(row.session), row.symbol, row.qty if row.side == Side.BUY else -row.qty,
             row.session.is_active)
        for row in positions.order_by("session_id", "symbol")
    )  # fmt: skip
    working = tuple(
        Working(row.session_id, row.client_order_id, row.broker_order_id, row.symbol,
                (row.qty - row.filled_qty) * (1 if row.side == Side.BUY else -1))
        for row in Order.objects.filter(broker_account=account, state__in=WORKING)
    )  # fmt: skip
    external = dict(account.holdings.exclude(external=0).values_list("symbol", "external"))
    listed = {name for each in truth.open_orders for name in (each.client_order_id, each.broker_order_id) if name}
    names = listed | {row.client_order_id for row in working}
    paid = _paid(account, {position.symbol for position in truth.positions})
    money = None if moved else cash.expected(account)
    return Ours(parts, external, paid, working, _settled(account, names), money, bookings.busy(account) | moved)


def take_down(
    account: BrokerAccount,
    truth: Truth,
    doubts: Doubts | None = None,
    *,
    fence: int | None = None,
    unsure: frozenset[str] = frozenset(),
) -> Found:
    """Write down what a look found, in one transaction, and tell the owner of what is new.

    doubts: holds back what was not seen before; None: everything counts. fence: of the lease under which this is done;
    where the account has another one by now, nothing is written. unsure: symbols whose units nothing can be said of:
    what the venue has changed by itself is not explained, or a fill is here that is not booked. The first look at an
    account makes all that is there external, and its cash the opening balance.
    """
    found = Found()
    with transaction.atomic():
        locked = BrokerAccount.objects.select_for_update(no_key=True).get(pk=account.pk)
        if fence is not None and locked.fence != fence:
            return found
        bookings.tidy(locked, truth.read_at)
        cash.settle(locked, timezone.now())
        moved = _moved(locked, truth.read_at) | unsure
        ours = ours_of(locked, truth, moved)
        if cash.open_with(locked, truth.money, truth.read_at):
            external = first_external(truth, ours)
            _hold(locked, truth, external)
        else:
            comparison = compare(truth, ours)
            sure = comparison.differences if doubts is None else doubts.sure(comparison.differences, truth.read_at)
            found.agrees = not comparison.differences
            _hold(locked, truth, comparison.external)
            there = {each.key for each in comparison.differences} | {f"{POSITION}:{symbol}" for symbol in ours.busy}
            there |= {CASH} if moved else set()
            _note(locked, sure, there, truth.read_at, found)
        money = truth.money
        BrokerAccount.objects.filter(pk=account.pk).update(
            cash=money.cash, equity=money.equity, buying_power=money.buying_power, currency=money.currency,
            seen_at=truth.read_at,
        )  # fmt: skip
    if found.opened or found.ended:
        inbox_news.tell(account)
    return found


def _moved(account: BrokerAccount, since: datetime.datetime) -> frozenset[str]:
    """Symbols of which something was booked after the venue was asked: what it said then and our books now are of two
    moments, further apart the busier the host is."""
    booked = cash.recent(account, since - SKEW).filter(session__isnull=False)
    return frozenset(booked.values_list("symbol", flat=True))


def _hold(account: BrokerAccount, truth: Truth, external: dict[str, Decimal]) -> None:
    """One row for each symbol that the venue holds or that is external; what is gone stays as a row of zeros."""
    theirs = {position.symbol: position for position in truth.positions}
    rows = []
    for symbol in {*theirs, *external, *account.holdings.values_list("symbol", flat=True)}:
        position = theirs.get(symbol)
        rows.append(
            BrokerHolding(
                broker_account=account, symbol=symbol, qty=position.qty if position else _ZERO,
                external=external.get(symbol, _ZERO), avg_px=position.avg_px if position else None,
                mark=position.mark if position else None, seen_at=truth.read_at,
            )
        )  # fmt: skip
    BrokerHolding.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["broker_account", "symbol"],
        update_fields=["qty", "external", "avg_px", "mark", "seen_at"],
    )  # fmt: skip


def _note(
    account: BrokerAccount, sure: Iterable[Difference], there: set[str], at: datetime.datetime, found: Found
) -> None:
    """Bring the inbox to what is there now. there: keys of every difference, those that are still in doubt too."""
    rows = {row.key: row for row in account.discrepancies.filter(ended_at__isnull=True).select_for_update(no_key=True)}
    for each in sure:
        row = rows.get(each.key)
        if row is None:
            row = Discrepancy(broker_account=account, key=each.key, kind=each.kind)
            found.opened.append(row)
        if row.state == _State.OPEN:
            _fill_in(row, each)
        row.seen_at = at
        row.save()
        if row.state == _State.OPEN:
            found.broken |= dict.fromkeys(each.breaks, each.text)
    for key, row in rows.items():
        if key not in there and row.state == _State.OPEN:
            row.state, row.ended_at = _State.RESOLVED, at
            row.save(update_fields=["state", "ended_at"])
            found.ended.append(row)
    for row in found.opened:
        _tell(account, row)


def _fill_in(row: Discrepancy, each: Difference) -> None:
    row.symbol, row.ours, row.theirs, row.px = each.symbol, each.ours, each.theirs, each.px
    row.text, row.detail = each.text[:300], {**row.detail, **each.detail, "breaks": list(each.breaks)}
    row.session_id = each.breaks[0] if each.breaks else None


def _tell(account: BrokerAccount, row: Discrepancy) -> None:
    broken = bool(row.detail.get("breaks"))
    notify(
        account.owner,
        "reconciliation",
        level="critical" if broken else "warning",
        title=f"{account.name}: the venue and our books differ",
        text=f"{row.text}." + (" The sessions that it concerns are halted." if broken else ""),
        link=f"/inbox/?account={account.pk}",
        session_id=row.session_id or "",
        dedup=f"reconciliation:{row.pk}",
    )


def _settled(account: BrokerAccount, names: set[str]) -> frozenset[str]:
    """Of these ids of orders, those that need no look: ours that are over, and others' that were left."""
    ours = Order.objects.filter(broker_account=account).exclude(state__in=WORKING)
    found = set(ours.filter(client_order_id__in=names).values_list("client_order_id", flat=True))
    found |= set(ours.filter(broker_order_id__in=names).values_list("broker_order_id", flat=True))
    left = account.discrepancies.filter(kind=Discrepancy.Kind.ORDER, state=_State.LEFT)
    found |= {key.partition(":")[2] for key in left.values_list("key", flat=True)} & names
    closing = account.discrepancies.filter(client_order_id__in=names)
    return frozenset(found | set(closing.values_list("client_order_id", flat=True)))


def _paid(account: BrokerAccount, symbols: set[str]) -> dict[str, Decimal]:
    """Average price of what was made elsewhere since the inbox last had nothing to say of the symbol."""
    found: dict[str, Decimal] = {}
    for symbol in symbols:
        rows = account.executions.filter(session__isnull=True, symbol=symbol)
        last = account.discrepancies.filter(symbol=symbol, ended_at__isnull=False).order_by("-ended_at").first()
        if last is not None:
            rows = rows.filter(executed_at__gt=last.ended_at)
        units = value = _ZERO
        for qty, px in rows.values_list("qty", "px"):
            units, value = units + qty, value + qty * px
        if units:
            found[symbol] = value / units
    return found
