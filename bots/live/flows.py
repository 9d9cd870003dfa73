"""Money and units that move on an account by another way than trades: deposits, dividends, fees, splits.

Each is kept once, by the venue's id. What belongs to a symbol is shared by those that hold it, by their units at that
time: a session's share waits for its host (`bots.models.BookingRequest`), the rest stays with the account. A deposit or
a withdrawal is the account's alone; its owner moves money to sessions (`bots.services.inbox.move_cash`).
"""

from __future__ import annotations

import datetime
from decimal import ROUND_DOWN, Decimal

from django.db import transaction
from django.db.models import QuerySet, Sum

from accounts.models import BrokerAccount
from accounts.services.notifications import notify
from bots import mapping
from bots.brokers.base import Broker, CashActivity
from bots.live.cash import OPENING
from bots.live.differences import plain
from bots.models import BookingRequest, CashFlow, Position, Side, Trade, TradingSession
from tradingsite.lib import realtime

OVERLAP = datetime.timedelta(days=5)  # venues list some things days after they have happened
SPLIT = "split"
SHARED = (CashFlow.Kind.DIVIDEND, CashFlow.Kind.FEE, CashFlow.Kind.INTEREST, CashFlow.Kind.OTHER)
_ZERO, _STEP = Decimal(0), Decimal("1E-8")


def fetch(account: BrokerAccount, broker: Broker) -> int:
    """Ask the venue what has moved, and keep it; how many were new. Blocking; raises what `Broker` raises."""
    newest = account.cash_flows.order_by("-at").values_list("at", flat=True).first()
    since = (newest or account.created_at) - OVERLAP
    return sum(keep(account, activity) for activity in broker.activities(since))


def keep(account: BrokerAccount, activity: CashActivity) -> bool:
    """Keep one activity, with what each session is to book of it; False where it is known, or from before the account
    was looked at first (the opening balance has it)."""
    with transaction.atomic():
        locked = BrokerAccount.objects.select_for_update().get(pk=account.pk)
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
            equity_before=locked.equity,
            at=activity.at,
        )
        flow.save()
        if is_split and activity.ratio:
            _split(locked, flow, activity.ratio)
        elif flow.symbol and flow.kind in SHARED and flow.amount:
            _share(locked, flow)
    realtime.publish(account.topic, "flow_booked", {"account": account.pk, "kind": activity.kind})
    return True


def shares(flow: CashFlow) -> dict[int, Decimal]:
    """Session id → its part of the flow's amount, by the units that it held then; the account's own part is left out.

    Parts are cut at eight places towards zero, so that they never add up to more than there is.
    """
    held = _held(flow.broker_account, flow.symbol, flow.at)
    holding = flow.broker_account.holdings.filter(symbol=flow.symbol).first()
    total = sum(held.values(), _ZERO) + (holding.external if holding else _ZERO)
    if total == 0:
        return {}
    return {session: (flow.amount * units / total).quantize(_STEP, ROUND_DOWN) for session, units in held.items()}


def _share(account: BrokerAccount, flow: CashFlow) -> None:
    active = set(_active(account).values_list("pk", flat=True))
    for session_id, amount in shares(flow).items():
        if session_id in active and amount:
            BookingRequest.objects.create(
                session_id=session_id, kind=BookingRequest.Kind.CASH, ref=f"flow-{flow.pk}", symbol=flow.symbol,
                amount=amount, cash_flow=flow, text=flow.text, at=flow.at,
            )  # fmt: skip


def _split(account: BrokerAccount, flow: CashFlow, ratio: Decimal) -> None:
    """`ratio` new units for each old one: of sessions, and of what is external."""
    parts = shares(flow) if flow.amount else {}
    told = []
    for position in _open(account, flow.symbol).filter(session__in=_active(account)).select_related("session"):
        request = BookingRequest.objects.create(
            session_id=position.session_id, kind=BookingRequest.Kind.SPLIT, ref=f"flow-{flow.pk}", symbol=flow.symbol,
            ratio=ratio, amount=parts.get(position.session_id, _ZERO), cash_flow=flow, text=flow.text, at=flow.at,
        )  # fmt: skip
        told.append(request.session)
    for holding in account.holdings.filter(symbol=flow.symbol):
        holding.external = mapping.quantity(holding.external * ratio)
        holding.save(update_fields=["external"])
    if told:
        notify(
            account.owner, "split", level="info", title=f"{flow.symbol} was split {plain(ratio)} for 1",
            text="Positions, stops, targets and limits of your sessions follow before the next bar.",
            link=f"/brokers/{account.pk}/", dedup=f"split:{flow.pk}",
        )  # fmt: skip


def _held(account: BrokerAccount, symbol: str, at: datetime.datetime) -> dict[int, Decimal]:
    """Signed units of each session at a moment: what it has now, less what it traded since."""
    held: dict[int, Decimal] = {}
    for position in _open(account, symbol):
        held[position.session_id] = position.qty if position.side == Side.BUY else -position.qty
    since = Trade.objects.filter(session__broker_account=account, symbol=symbol, executed_at__gt=at)
    for row in since.values("session_id", "side").annotate(units=Sum("qty")).order_by():
        sign = 1 if row["side"] == Side.BUY else -1
        held[row["session_id"]] = held.get(row["session_id"], _ZERO) - sign * mapping.quantity(row["units"])
    return {session: units for session, units in sorted(held.items()) if units}


def _open(account: BrokerAccount, symbol: str) -> QuerySet[Position]:
    return Position.objects.filter(session__broker_account=account, symbol=symbol, is_open=True)


def _active(account: BrokerAccount) -> QuerySet[TradingSession]:
    return TradingSession.objects.filter(broker_account=account, state__in=TradingSession.ACTIVE)


def _words(activity: CashActivity) -> str:
    if activity.kind == SPLIT and activity.ratio:
        return f"{activity.symbol} split {plain(activity.ratio)} for 1. {activity.text}".strip()
    return activity.text
