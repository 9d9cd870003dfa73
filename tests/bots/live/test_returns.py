"""Returns of accounts and sessions with money that came and went, against sums done by hand."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import BrokerAccount, User
from bots.brokers.base import CashActivity
from bots.live import flows
from bots.live.reconcile import take_down
from bots.models import Adjustment, Cycle
from bots.selectors import returns
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.live.made import live_session, truth

pytestmark = [pytest.mark.row("W18")]
D = Decimal
YEAR = datetime.timedelta(days=365.25)
NOW = timezone.now()


def deposit(account: BrokerAccount, amount: str, at: datetime.datetime) -> None:
    kind = "deposit" if D(amount) > 0 else "withdrawal"
    flows.keep(account, CashActivity(f"{kind}-{at}", kind, D(amount), "USD", at))
    account.refresh_from_db()


@pytest.fixture
def account(alice: User) -> BrokerAccount:
    """Two years old, with 100 in it then."""
    made = BrokerAccountFactory(owner=alice)
    take_down(made, truth(cash="100", at=NOW - 2 * YEAR))
    made.refresh_from_db()
    return made


def worth(account: BrokerAccount, cash: str, at: datetime.datetime) -> None:
    take_down(account, truth(cash=cash, at=at))
    account.refresh_from_db()


def test_an_account_that_grew_by_a_tenth_a_year_whatever_came(account: BrokerAccount) -> None:
    """100 → 110; 100 come in; 210 → 231: both are 10 % a year, and 21 % over the two."""
    BrokerAccount.objects.filter(pk=account.pk).update(equity=D(110))
    account.refresh_from_db()
    deposit(account, "100", NOW - YEAR)
    BrokerAccount.objects.filter(pk=account.pk).update(equity=D(231), seen_at=NOW)
    account.refresh_from_db()
    found = returns.of_account(account)
    assert found is not None
    assert found.time_weighted_pct == pytest.approx(21)
    assert found.money_weighted_pct == pytest.approx(10)
    assert (found.flows, found.net_flow) == (1, 100)


def test_a_deposit_that_the_venue_told_of_before_its_activity(account: BrokerAccount) -> None:
    """The balance had it already: what the account was worth before is without it, or it would count as a gain."""
    worth(account, "600", NOW - YEAR)
    deposit(account, "500", NOW - YEAR)
    assert account.cash_flows.get(kind="deposit").equity_before == 100
    found = returns.of_account(account)
    assert found is not None
    assert found.time_weighted_pct == pytest.approx(0)


def test_withdrawals_are_no_losses(account: BrokerAccount) -> None:
    deposit(account, "-40", NOW - YEAR)
    worth(account, "60", NOW)
    found = returns.of_account(account)
    assert found is not None
    assert (found.time_weighted_pct, found.net_flow) == (pytest.approx(0), -40)
    assert found.money_weighted_pct == pytest.approx(0, abs=1e-6)


def test_an_account_that_nobody_looked_at(alice: User) -> None:
    assert returns.of_account(BrokerAccountFactory(owner=alice)) is None


def test_a_session_to_which_money_was_moved(account: BrokerAccount, alice: User) -> None:
    """10,000 → 11,000; 9,000 come, then 1,000 more before the next bar; 21,000 → 18,900: 1.1 × 0.9."""
    session = live_session(alice, account, started_at=NOW - YEAR, equity=D(18_900))
    assert returns.of_session(session) is None
    Cycle.objects.create(
        session=session, ts_ns=1, closed_at=NOW - YEAR / 2, equity=11_000.0, cash=11_000.0, exposure=0.0,
        received_at=NOW, decided_at=NOW,
    )  # fmt: skip
    for amount in ("9000", "1000"):
        Adjustment(session=session, kind="cash", ref=amount, amount=D(amount), is_flow=True, at=NOW).save()
    Adjustment(session=session, kind="cash", ref="dividend", amount=D(5), at=NOW).save()
    found = returns.of_session(session)
    assert found is not None
    assert (found.flows, found.net_flow) == (2, 10_000)
    assert found.time_weighted_pct == pytest.approx(-1)
