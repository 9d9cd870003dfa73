"""What the cash of an account should be: the same as the sum of all that ever happened there, at the same cost."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any
from unittest.mock import ANY

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import BrokerAccount, User
from bots.live import cash
from bots.live.reconcile import take_down
from bots.models import BrokerExecution, CashCheckpoint, CashFlow, TradingSession
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.live.made import live_session, truth

D = Decimal
OLD = cash.SETTLED + datetime.timedelta(minutes=1)


@pytest.fixture
def account(alice: User) -> BrokerAccount:
    made = BrokerAccountFactory(owner=alice)
    take_down(made, truth(cash="1000"))
    return made


def execution(account: BrokerAccount, number: int, session: TradingSession | None, **columns: Any) -> None:
    fields = {"symbol": "AAPL", "side": "BUY", "qty": D(1), "px": D(10), "executed_at": timezone.now(), **columns}
    BrokerExecution(broker_account=account, execution_id=f"e{number}", session=session, **fields).save()


def full_sum(account: BrokerAccount) -> Decimal:
    """Row by row, from the beginning."""
    opened = account.cash_flows.get(ref=cash.OPENING).at
    total = sum((flow.amount for flow in account.cash_flows.filter(currency="USD")), D(0))
    for row in account.executions.order_by("pk"):
        if row.session_id is not None or row.executed_at > opened:
            total += row.qty * row.px * (1 if row.side == "SELL" else -1)
            total -= row.fee if row.fee_asset in ("", "USD") else 0
    return total.quantize(D("1E-8"))


FIGURE = st.decimals(D("0.0001"), D("99999"), places=4)
ROWS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"side": st.sampled_from(["BUY", "SELL"]), "qty": FIGURE, "px": FIGURE, "fee": FIGURE,
             "fee_asset": st.sampled_from(["", "USD", "BTC"]), "is_ours": st.booleans(), "is_before": st.booleans()}
        ),
        st.fixed_dictionaries({"amount": FIGURE, "currency": st.sampled_from(["USD", "EUR"])}),
        st.just({"settle": True}),
    ),
    max_size=25,
)  # fmt: skip


@pytest.mark.django_db
@pytest.mark.row("W9", "W18")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_it_is_the_sum_of_all_there_ever_was(rows: list[dict[str, Any]], alice: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(cash, "BATCH", 2)
    account = BrokerAccountFactory(owner=alice)
    take_down(account, truth(cash="1000"))
    session = live_session(alice, account)
    opened = account.cash_flows.get().at
    for number, row in enumerate(rows):
        if "settle" in row:
            BrokerExecution.objects.filter(broker_account=account).update(seen_at=timezone.now() - OLD)
            CashFlow.objects.filter(broker_account=account).update(seen_at=timezone.now() - OLD)
            cash.settle(account, timezone.now())
        elif "amount" in row:
            CashFlow(broker_account=account, ref=f"f{number}", kind="other", at=timezone.now(), **row).save()
        else:
            row = dict(row)
            whose = session if row.pop("is_ours") else None
            at = opened + datetime.timedelta(hours=-1 if row.pop("is_before") else 1)
            execution(account, number, whose, executed_at=at, **row)
        assert cash.expected(account) == full_sum(account)


@pytest.mark.django_db
@pytest.mark.row("W9")
def test_a_look_costs_the_same_after_a_thousand_executions(account: BrokerAccount, alice: User) -> None:
    session = live_session(alice, account)

    def cost() -> tuple[int, int]:
        """(queries of one look, executions that it reads)."""
        for _ in range(2):  # the first one sums up
            with CaptureQueriesContext(connection) as queries:
                take_down(account, truth(cash="1000"))
        kept = CashCheckpoint.objects.filter(broker_account=account).first()
        return len(queries), account.executions.filter(pk__gt=kept.execution if kept else 0).count()

    few = cost()
    BrokerExecution.objects.bulk_create(
        BrokerExecution(
            broker_account=account, execution_id=f"e{n}", session=session, symbol="AAPL", side="BUY", qty=D(1),
            px=D(1), executed_at=timezone.now(),
        )
        for n in range(1_000)
    )  # fmt: skip
    BrokerExecution.objects.update(seen_at=timezone.now() - OLD)
    many = cost()
    assert many[0] <= few[0] + 1, "the checkpoint itself"
    assert many[1] < cash.BATCH
    assert cash.expected(account) == full_sum(account) == 0


@pytest.mark.django_db
def test_what_is_young_is_not_settled(account: BrokerAccount, alice: User) -> None:
    """A transaction that began before may still bring a row with a lower id."""
    session = live_session(alice, account)
    for number in range(cash.BATCH + 1):
        execution(account, number, session)
    take_down(account, truth(cash="1000"))
    assert not CashCheckpoint.objects.exists()


@pytest.mark.django_db
def test_another_money_makes_it_unknown_for_good(account: BrokerAccount, alice: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(cash, "BATCH", 1)
    execution(account, 1, live_session(alice, account), symbol="BTC-EUR")
    BrokerExecution.objects.update(seen_at=timezone.now() - OLD)
    assert cash.expected(account) is None
    take_down(account, truth(cash="1000"))
    assert (CashCheckpoint.objects.get().total, cash.expected(account)) == ("", None)
    execution(account, 2, None)
    assert cash.expected(account) is None
    BrokerAccount.objects.filter(pk=account.pk).update(currency="EUR")
    account.refresh_from_db()
    assert cash.expected(account) == ANY, "in another money the sum begins anew"
