"""Money and units that move on an account by another way than trades: deposits, dividends, fees, splits.

Each is kept once, by the venue's id. What belongs to a symbol is shared by those that hold it, by their units at that
time: a session's share waits for its host (`bots.models.BookingRequest`), the rest stays with the account. A deposit or
a withdrawal is the account's alone; its owner moves money to sessions (`bots.services.inbox.move_cash`).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction

from django.db import transaction
from django.db.models import QuerySet, Sum

from accounts.models import BrokerAccount
from accounts.services.notifications import notify
from bots import mapping
from bots.brokers.base import Broker, CashActivity
from bots.live import cash
from bots.live.cash import OPENING
from bots.models import BookingRequest, CashFlow, Position, Side, Trade, TradingSession
from tradingsite.lib import realtime

OVERLAP = datetime.timedelta(days=5)  # venues list some things days after they have happened
SPLIT = "split"
SHARED = (CashFlow.Kind.DIVIDEND, CashFlow.Kind.FEE, CashFlow.Kind.INTEREST, CashFlow.Kind.OTHER)
_ZERO, _STEP, _UNIT = Decimal(0), Decimal("1E-8"), Decimal("1E-9")  # of money, of units


def fetch(account: BrokerAccount, broker: Broker) -> int:
    """Ask the venue what has moved, and keep it; how many were new. Blocking; raises what `Broker` raises."""
    newest = account.cash_flows.order_by("-at").values_list("at", flat=True).first()
    since = (newest or account.created_at) - OVERLAP
    return sum(keep(account, activity) for activity in broker.activities(since))


def keep(account: BrokerAccount, activity: CashActivity) -> bool:
    """Keep one activity, with what each session is to book of it; False where it is known, or from before the account
    was looked at first (the opening balance has it)."""
    with transaction.atomic():
        locked = BrokerAccount.objects.select_for_update(no_key=True).get(pk=account.pk)
        opening = locked.cash_flows.filter(ref=OPENING).first()
        if opening is not None and activity.at <= opening.at:
            return False
        if locked.cash_flows.filter(ref=activity.ref[:120]).exists():
            return False
        is_split = activity.kind == SPLIT
        flow = CashFlow(
            broker_account=locked,
            ref=activity.ref[:120],
            kind=activity.kind if activity.kind in CashFlow.Kind.values else CashFlow.Kind.OTHER,
            amount=mapping.money(activity.amount),
            currency=activity.currency[:12],
            symbol=activity.symbol[:24],
            text=_words(activity)[:200],
            equity_before=_worth_before(locked, activity),
            at=activity.at,
        )
        flow.save()
        if is_split and activity.ratio:
            _split(locked, flow, activity.ratio)
        elif flow.symbol and flow.kind in SHARED and flow.amount:
            _share(locked, flow)
    realtime.publish(account.topic, "flow_booked", {"account": account.pk, "kind": activity.kind})
    return True


def _worth_before(account: BrokerAccount, activity: CashActivity) -> Decimal | None:
    """What the account was worth before it: as the venue told last, less the amount where it was in that already."""
    told, expected = account.cash, cash.expected(account)
    if account.equity is None or told is None or expected is None:
        return account.equity
    gap = told - expected
    return account.equity - activity.amount if abs(gap - activity.amount) < abs(gap) else account.equity


def parts_of(
    amount: Decimal, held: Mapping[int, Decimal], external: Decimal, step: Decimal = _STEP
) -> dict[int, Decimal]:
    """Session id → its part of an amount, by signed units; what belongs to the external units is left out.

    Parts are cut to steps towards zero, so that they never add up to more than there is.
    """
    total = sum(held.values(), _ZERO) + external
    if total == 0:
        return {}
    return {session: (amount * units / total).quantize(step, ROUND_DOWN) for session, units in held.items()}


def _share(account: BrokerAccount, flow: CashFlow) -> None:
    held = _held(account, flow.symbol, flow.at)
    active = set(_active(account).values_list("pk", flat=True))
    for session_id, amount in parts_of(flow.amount, held, _external(account, flow.symbol)).items():
        if session_id in active and amount:
            _ask(flow, session_id, BookingRequest.Kind.CASH, amount=amount)


@dataclass(frozen=True, slots=True)
class Parted:
    """A split shared out: signed units by session after it, and of these the parts that are paid in money; what is
    external after it. The venue's units are the sum of the first and the last, less the second."""

    after: dict[int, Decimal]
    given_up: dict[int, Decimal]
    external: Decimal
    broken: Decimal


def shares_of_split(held: Mapping[int, Decimal], external: Decimal, by: Fraction, *, in_lieu: bool) -> Parted:
    """`by` new units for each old one, of sessions and of what is external. in_lieu: the venue has paid for the part of
    a unit that it makes of all of them; everybody gives up a part of it by what they hold.

    What rounding leaves is external: the sum is exactly the venue's.
    """
    after = {session: mapping.split_units(units, by) for session, units in held.items()}
    total = mapping.split_units(sum(held.values(), _ZERO) + external, by)
    broken = total - total.to_integral_value(ROUND_DOWN) if in_lieu else _ZERO
    given_up = parts_of(broken, held, external, _UNIT)
    kept = sum(after.values(), _ZERO) - sum(given_up.values(), _ZERO)
    return Parted(after, given_up, total - broken - kept, broken)


def _split(account: BrokerAccount, flow: CashFlow, ratio: Decimal) -> None:
    """Every session that holds the symbol follows, and every one that trades it since before: what it remembers of
    prices is in old units."""
    active = {session.pk: session for session in _active(account)}
    held = {session: units for session, units in _held(account, flow.symbol).items() if session in active}
    trading = {pk for pk, row in active.items() if flow.symbol in row.symbols and row.created_at < flow.at}
    by = mapping.ratio(ratio)
    parted = shares_of_split(held, _external(account, flow.symbol), by, in_lieu=bool(flow.amount))
    for session_id in sorted({*held, *trading}):
        _ask(flow, session_id, BookingRequest.Kind.SPLIT, ratio=ratio)
        if parted.given_up.get(session_id):
            qty, px = parted.given_up[session_id], mapping.price(abs(flow.amount / parted.broken))
            _ask(flow, session_id, BookingRequest.Kind.RELEASE, "-lieu", qty=qty, px=px)
    account.holdings.filter(symbol=flow.symbol).update(external=mapping.quantity(parted.external))
    if held:
        notify(
            account.owner, "split", level="info", title=f"{flow.symbol} was split {in_words(by)}",
            text="Positions, stops, targets and limits of your sessions follow before the next bar.",
            link=f"/brokers/{account.pk}/", dedup=f"split:{flow.pk}",
        )  # fmt: skip


def in_words(by: Fraction) -> str:
    """A split's ratio as people say it: 4 for 1, 1 for 10, 3 for 2."""
    return f"{by.numerator} for {by.denominator}"


def _ask(flow: CashFlow, session_id: int, kind: str, suffix: str = "", **columns: Decimal) -> None:
    BookingRequest.objects.create(
        session_id=session_id, kind=kind, ref=f"flow-{flow.pk}{suffix}", symbol=flow.symbol, cash_flow=flow,
        text=flow.text, at=flow.at, **columns,
    )  # fmt: skip


def _external(account: BrokerAccount, symbol: str) -> Decimal:
    holding = account.holdings.filter(symbol=symbol).first()
    return holding.external if holding else _ZERO


def _held(account: BrokerAccount, symbol: str, at: datetime.datetime | None = None) -> dict[int, Decimal]:
    """Signed units of each session, now or at a moment: what it has now, less what it traded since."""
    held: dict[int, Decimal] = {}
    for position in Position.objects.filter(session__broker_account=account, symbol=symbol, is_open=True):
        held[position.session_id] = position.qty if position.side == Side.BUY else -position.qty
    since = Trade.objects.filter(session__broker_account=account, symbol=symbol)
    since = since.none() if at is None else since.filter(executed_at__gt=at)
    for row in since.values("session_id", "side").annotate(units=Sum("qty")).order_by():
        sign = 1 if row["side"] == Side.BUY else -1
        held[row["session_id"]] = held.get(row["session_id"], _ZERO) - sign * mapping.quantity(row["units"])
    return {session: units for session, units in sorted(held.items()) if units}


def _active(account: BrokerAccount) -> QuerySet[TradingSession]:
    return TradingSession.objects.filter(broker_account=account, state__in=TradingSession.ACTIVE)


def _words(activity: CashActivity) -> str:
    if activity.kind == SPLIT and activity.ratio:
        return f"{activity.symbol} split {in_words(mapping.ratio(activity.ratio))}. {activity.text}".strip()
    return activity.text
