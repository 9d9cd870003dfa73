"""Many sessions on one account: reserved cash that never adds up to more than there is, and sums that agree."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import connection, transaction

from accounts.models import BrokerAccount, User
from bots.live.reconcile import take_down
from bots.live.reserve import free_cash, refuse_beyond, sums
from bots.models import BrokerHolding, TradingSession
from bots.states import SessionState
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.live.made import hold, live_session, truth
from tradingsite.lib.errors import Conflict, Unprocessable

D = Decimal


@pytest.fixture
def account(alice: User) -> BrokerAccount:
    made = BrokerAccountFactory(owner=alice, name="Mine")
    take_down(made, truth(cash="25000"))
    made.refresh_from_db()
    return made


@pytest.mark.row("W9")
def test_a_session_takes_no_more_than_is_free(account: BrokerAccount, alice: User) -> None:
    live_session(alice, account, initial_cash=D(10_000))
    live_session(alice, account, initial_cash=D(3_000), state=SessionState.STOPPED)  # gives its cash back
    assert free_cash(account) == 15_000
    with transaction.atomic():
        refuse_beyond(account, D(15_000))
        with pytest.raises(Unprocessable) as refused:
            refuse_beyond(account, D("15000.01"))
    assert refused.value.code == "beyond_free_cash"
    assert "15,000.00" in refused.value.message
    assert refused.value.faults[0].path == "initial_cash"


def test_what_a_session_holds_is_not_free(account: BrokerAccount, alice: User) -> None:
    """Its cash went into units: the account has less cash, and so has the session."""
    hold(live_session(alice, account), "AAPL", "60")
    # The venue has not told yet of the purchase: its figure alone would let 6,000 be spent twice.
    assert free_cash(account) == 25_000 - 4_000
    take_down(account, truth({"AAPL": "60"}, cash="19000"))
    account.refresh_from_db()
    assert free_cash(account) == 15_000
    share = sums(account).shares[0]
    assert (share.cash, share.reserved, share.units) == (4_000, 10_000, {"AAPL": D(60)})


def test_an_account_that_nobody_has_looked_at(alice: User) -> None:
    unseen = BrokerAccountFactory(owner=alice, cash=None)
    with pytest.raises(Conflict) as refused, transaction.atomic():
        refuse_beyond(unseen, D(1))
    assert refused.value.code == "not_looked_at"


@pytest.mark.row("W9")
def test_sessions_that_start_at_once_never_reserve_more_than_there_is(transactional_db: None, alice: User) -> None:
    account = BrokerAccountFactory(owner=alice)
    take_down(account, truth(cash="25000"))

    def start(number: int) -> bool:
        try:
            with transaction.atomic():
                refuse_beyond(account, D(2_000))
                live_session(alice, account, initial_cash=D(2_000))
        except Unprocessable:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(10) as threads:
        started = list(threads.map(start, range(50)))
    assert sum(started) == 12
    assert TradingSession.objects.count() == 12
    account.refresh_from_db()
    assert free_cash(account) == 1_000


@pytest.mark.row("W9")
def test_the_sums_of_an_account(account: BrokerAccount, alice: User) -> None:
    first = hold(hold(live_session(alice, account), "AAPL", "10"), "MSFT", "-3")
    second = hold(live_session(alice, account), "AAPL", "4")
    BrokerHolding.objects.create(broker_account=account, symbol="AAPL", external=D(5), seen_at=account.seen_at)
    take_down(account, truth({"AAPL": "19", "MSFT": "-3"}))
    found = sums(account)
    assert found.agrees
    assert [(row.symbol, row.sessions, row.external, row.broker) for row in found.symbols] == [
        ("AAPL", 14, 5, 19), ("MSFT", -3, 0, -3),
    ]  # fmt: skip
    assert [share.session for share in found.shares] == [first, second]
    take_down(account, truth({"AAPL": "21", "MSFT": "-3"}))
    undecided = sums(account)
    assert [row.undecided for row in undecided.symbols] == [2, 0]
    assert not undecided.agrees
