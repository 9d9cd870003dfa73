"""The cash that an account at a broker should have, by our ledger: its opening balance, what moved, what was traded."""

from __future__ import annotations

import datetime
from decimal import Decimal

from django.db.models import Case, DecimalField, ExpressionWrapper, F, Q, Sum, When

from accounts.models import BrokerAccount
from bots.brokers.base import Money
from bots.brokers.naming import pair_of
from bots.models import CashFlow, Side

OPENING = "opening"  # ref of the flow that stands for the balance at the first look
_ZERO = Decimal(0)
_PLACES = Decimal("1E-8")
_SUM = DecimalField(max_digits=40, decimal_places=20)


def open_with(account: BrokerAccount, money: Money, at: datetime.datetime) -> bool:
    """Note the balance that an account was found with; False where that was done before."""
    if account.cash_flows.filter(ref=OPENING).exists():
        return False
    CashFlow(broker_account=account, ref=OPENING, kind=CashFlow.Kind.OTHER, amount=money.cash, currency=money.currency,
             text="Balance when the account was first looked at", equity_before=money.equity, at=at).save()  # fmt: skip
    return True


def expected(account: BrokerAccount) -> Decimal | None:
    """Opening balance + flows - sum(signed qty × px) - fees in money. None: not known, because the account was not
    looked at yet or trades against another money than its own."""
    opening = account.cash_flows.filter(ref=OPENING).first()
    if opening is None:
        return None
    # What our sessions traded came after it; of the rest the venue's own time tells.
    since = account.executions.filter(Q(session__isnull=False) | Q(executed_at__gt=opening.at))
    symbols = since.values_list("symbol", flat=True).order_by("symbol").distinct()
    if any(_quote(symbol, account.currency) != account.currency for symbol in symbols):
        return None
    signed = Case(When(side=Side.BUY, then=-F("qty")), default=F("qty"), output_field=_SUM)
    value = since.aggregate(total=Sum(ExpressionWrapper(signed * F("px"), output_field=_SUM)))["total"] or _ZERO
    fees = since.filter(fee_asset__in=("", account.currency)).aggregate(total=Sum("fee"))["total"] or _ZERO
    flows = account.cash_flows.filter(currency=account.currency).aggregate(total=Sum("amount"))["total"] or _ZERO
    return (flows + value - fees).quantize(_PLACES)


def _quote(symbol: str, own: str) -> str:
    pair = pair_of(symbol)
    return own if pair is None else pair[1]
