"""The cash that an account at a broker should have, by our ledger: its opening balance, what moved, what was traded."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal, localcontext

from django.db.models import QuerySet

from accounts.models import BrokerAccount
from bots.brokers.base import Money
from bots.brokers.naming import pair_of
from bots.models import BrokerExecution, CashCheckpoint, CashFlow, Side

OPENING = "opening"  # ref of the flow that stands for the balance at the first look
_ZERO = Decimal(0)
_PLACES = Decimal("1E-8")
# Transactions that write executions end within seconds: rows with lower ids than these cannot come any more.
SETTLED = datetime.timedelta(minutes=10)
BATCH = 200  # executions that are summed up together


def open_with(account: BrokerAccount, money: Money, at: datetime.datetime) -> bool:
    """Note the balance that an account was found with; False where that was done before."""
    if account.cash_flows.filter(ref=OPENING).exists():
        return False
    CashFlow(broker_account=account, ref=OPENING, kind=CashFlow.Kind.OTHER, amount=money.cash, currency=money.currency,
             text="Balance when the account was first looked at", equity_before=money.equity, at=at).save()  # fmt: skip
    return True


def expected(account: BrokerAccount) -> Decimal | None:
    """Opening balance + flows - sum(signed qty × px) - fees in money. None: not known, because the account was not
    looked at yet or trades against another money than its own. It costs the same whatever the account's age: what is
    settled is summed up already (`settle`)."""
    opening = account.cash_flows.filter(ref=OPENING).first()
    if opening is None:
        return None
    start = _start(account)
    executions, flows = _after(account, start)
    total = _with(start, account, opening.at, executions, flows).total
    return None if total is None else total.quantize(_PLACES)


def settle(account: BrokerAccount, now: datetime.datetime) -> None:
    """Sum up what is old enough to have nothing come in before it any more, once there is a batch of it. To be called
    with the account locked."""
    opening, start, before = account.cash_flows.filter(ref=OPENING).first(), _start(account), now - SETTLED
    executions, flows = _after(account, start)
    executions = executions.filter(seen_at__lt=before)
    if opening is None or not executions.order_by("pk").values_list("pk")[BATCH - 1 : BATCH]:
        return
    done = _with(start, account, opening.at, executions, flows.filter(seen_at__lt=before))
    CashCheckpoint.objects.update_or_create(
        broker_account=account,
        defaults={
            "currency": account.currency, "execution": done.execution, "flow": done.flow,
            "total": "" if done.total is None else str(done.total),
        },
    )  # fmt: skip


def recent(account: BrokerAccount, since: datetime.datetime) -> QuerySet[BrokerExecution]:
    """Executions that were written down at `since` or later; since: not as long ago as what is settled."""
    return _after(account, _start(account))[0].filter(seen_at__gte=since)


@dataclass(frozen=True, slots=True)
class _Sum:
    """Money of all rows up to these ids, exact; None: not known."""

    total: Decimal | None = _ZERO
    execution: int = 0
    flow: int = 0


def _start(account: BrokerAccount) -> _Sum:
    kept = CashCheckpoint.objects.filter(broker_account=account, currency=account.currency).first()
    if kept is None:
        return _Sum()
    return _Sum(Decimal(kept.total) if kept.total else None, kept.execution, kept.flow)


def _after(account: BrokerAccount, start: _Sum) -> tuple[QuerySet[BrokerExecution], QuerySet[CashFlow]]:
    return account.executions.filter(pk__gt=start.execution), account.cash_flows.filter(pk__gt=start.flow)


def _with(
    start: _Sum, account: BrokerAccount, opened_at: datetime.datetime, executions: QuerySet[BrokerExecution],
    flows: QuerySet[CashFlow],
) -> _Sum:  # fmt: skip
    """The sum with these rows added. What our sessions traded came after the opening; of the rest the venue's own time
    tells."""
    total, newest, newest_flow = start.total, start.execution, start.flow
    names = ("pk", "session_id", "executed_at", "symbol", "side", "qty", "px", "fee", "fee_asset")
    with localcontext(prec=60):
        for pk, session_id, at, symbol, side, qty, px, fee, asset in (
            executions.order_by("pk").values_list(*names).iterator()
        ):
            newest = pk
            if total is None or (session_id is None and at <= opened_at):
                continue
            if _quote(symbol, account.currency) != account.currency:
                total = None
                continue
            total += (-qty if side == Side.BUY else qty) * px - (fee if asset in ("", account.currency) else _ZERO)
        for pk, currency, amount in flows.order_by("pk").values_list("pk", "currency", "amount"):
            newest_flow = pk
            if total is not None and currency == account.currency:
                total += amount
    return _Sum(total, newest, newest_flow)


def _quote(symbol: str, own: str) -> str:
    pair = pair_of(symbol)
    return own if pair is None else pair[1]
