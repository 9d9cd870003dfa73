"""Virtual sub-accounts: what of an account at a broker belongs to which session, and what is free for another one.

A session has its own cash (`initial_cash`, what was moved to or from it, what it earned and paid) and its own units.
The rest of the account's cash is free, the rest of its units external; together they are what the venue says (A15).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import Sum
from django.db.models.functions import Coalesce

from accounts.models import BrokerAccount
from bots.live import cash
from bots.models import BookingRequest, BrokerHolding, Position, Side, TradingSession
from engine.errors import Fault
from tradingsite.lib.errors import Conflict, Unprocessable

BY_HAND, VALUE = "back-", "-value"  # refs of units that are given back by their owner's wish, and of their value
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Share:
    """One session's part of an account. cash: its own; reserved: cash and what its open positions cost. units: signed,
    by symbol."""

    session: TradingSession
    cash: Decimal
    reserved: Decimal
    units: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class SymbolSum:
    """Whose the units of one symbol are, signed. undecided: of what is open in the inbox. broker: by the venue."""

    symbol: str
    sessions: Decimal
    external: Decimal
    undecided: Decimal
    broker: Decimal

    @property
    def agrees(self) -> bool:
        """A15: sessions + external = the broker's, with nothing left to decide."""
        return self.undecided == 0 and self.sessions + self.external == self.broker


@dataclass(frozen=True, slots=True)
class Sums:
    """An account as a sum of its parts. free: cash of no session; None: the account was not looked at yet."""

    shares: tuple[Share, ...]
    symbols: tuple[SymbolSum, ...]
    cash: Decimal | None
    free: Decimal | None

    @property
    def agrees(self) -> bool:
        return all(row.agrees for row in self.symbols)

    @property
    def undecided_cash(self) -> Decimal:
        """What the venue has beyond the parts; a difference that the inbox tells of, or a fill that is being booked."""
        if self.cash is None or self.free is None:
            return _ZERO
        return self.cash - self.free - sum((share.cash for share in self.shares), _ZERO)


def shares(account: BrokerAccount) -> list[Share]:
    """The part of each session that is active or still holds something, oldest first."""
    units: dict[int, dict[str, Decimal]] = {}
    cost: dict[int, Decimal] = {}
    for row in Position.objects.filter(session__broker_account=account, is_open=True):
        sign = 1 if row.side == Side.BUY else -1
        units.setdefault(row.session_id, {})[row.symbol] = row.qty * sign
        cost[row.session_id] = cost.get(row.session_id, _ZERO) + row.qty * row.entry_px * sign
    sessions = TradingSession.objects.filter(broker_account=account).select_related("bot").order_by("pk")
    found = []
    for session in sessions:
        if session.is_active or session.pk in units:
            own = (session.cash if session.cash is not None else session.initial_cash) if session.is_active else _ZERO
            found.append(Share(session, own, own + cost.get(session.pk, _ZERO), units.get(session.pk, {})))
    return found


def sums(account: BrokerAccount) -> Sums:
    """The account as its parts, from rows; the venue's side as it was told last."""
    parts = shares(account)
    held: dict[str, Decimal] = {}
    for share in parts:
        for symbol, qty in share.units.items():
            held[symbol] = held.get(symbol, _ZERO) + qty
    holdings = {row.symbol: row for row in account.holdings.all()}
    rows = []
    for symbol in sorted({*held, *holdings}):
        holding = holdings.get(symbol)
        theirs = holding.qty if holding else _ZERO
        external = holding.external if holding else _ZERO
        own = held.get(symbol, _ZERO)
        if theirs or external or own:
            rows.append(SymbolSum(symbol, own, external, theirs - own - external, theirs))
    return Sums(tuple(parts), tuple(rows), account.cash, free_cash(account))


def free_cash(account: BrokerAccount) -> Decimal | None:
    """Cash of no active session, below zero where they have more than there is; None: not known yet.

    The smaller of what the venue said last and what our ledger says now, so that a purchase that one of the two does
    not show yet is not spent twice.
    """
    if account.cash is None:
        return None
    told = cash.expected(account)
    there = account.cash if told is None else min(account.cash, told)
    active = TradingSession.objects.filter(broker_account=account, state__in=TradingSession.ACTIVE)
    reserved = active.aggregate(total=Sum(Coalesce("cash", "initial_cash")))["total"] or _ZERO
    coming = BookingRequest.objects.filter(session__in=active, done_at__isnull=True, is_flow=True, amount__gt=0)
    return there - reserved - (coming.aggregate(total=Sum("amount"))["total"] or _ZERO)


def keep_outside(booked: Iterable[int]) -> None:
    """Units that sessions have given back, by hand or because no order is so small, are external from now on.

    booked: ids of requests, in the transaction that notes that they are done.
    """
    given = BookingRequest.objects.filter(pk__in=list(booked), kind=BookingRequest.Kind.RELEASE)
    for row in given.filter(discrepancy__isnull=True, cash_flow__isnull=True).select_related("session"):
        account = BrokerAccount.objects.select_for_update(no_key=True).get(pk=row.session.broker_account_id)
        holding, _ = BrokerHolding.objects.get_or_create(
            broker_account=account, symbol=row.symbol, defaults={"qty": row.qty, "seen_at": row.at}
        )
        holding.external += row.qty or _ZERO
        holding.save(update_fields=["external"])


def refuse_beyond(account: BrokerAccount, wanted: Decimal) -> None:
    """Lock the account until the transaction ends, and refuse a session that wants more cash than is free there.

    To be called in the transaction that writes the session: those that start at the same time queue here. Raises
    Unprocessable (beyond_free_cash), Conflict (not_looked_at: nobody knows what is there).
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("refuse_beyond needs a transaction around it")
    locked = BrokerAccount.objects.select_for_update(no_key=True).get(pk=account.pk)
    free = free_cash(locked)
    if free is None:
        raise Conflict(
            f"Nobody has looked yet what {locked.name} holds. Check the account first.", code="not_looked_at"
        )
    if wanted > free:
        left = max(free, _ZERO)
        message = f"{locked.name} has {left:,.2f} {locked.currency} that no session uses; this one wants {wanted:,.2f}."
        hint = f"Start it with {left:,.2f} or less, or stop another session of this account"
        raise Unprocessable(message, code="beyond_free_cash",
                            faults=[Fault("initial_cash", "beyond_free_cash", message, hint)])  # fmt: skip
