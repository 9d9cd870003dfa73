"""The queue of an account: exits first, a budget that is kept for them, outcomes that are always told, proofs."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bots.brokers.base import Banned, RateLimited, Unauthorised
from bots.brokers.executor import Executor
from bots.brokers.pace import Pace, urgent
from bots.brokers.paper import PaperBroker
from bots.brokers.proof import Verdict, prove
from tests.brokers.rigs import KEY, SECRET, STOCK, Rig, alpaca, paper

pytestmark = pytest.mark.row("I9")


@pytest.fixture
def rig() -> Iterator[Rig]:
    with alpaca(STOCK, name="alpaca") as made:
        yield made


@contextmanager
def executor(rig: Rig, **more: Any) -> Iterator[Executor]:
    made = Executor(rig.broker, **more)
    try:
        yield made
    finally:
        made.close()


def test_five_orders_leave_at_once_and_each_outcome_is_told(rig: Rig) -> None:
    rig.fault("submit", "delay", delay_s=0.5, times=5)
    with executor(rig) as sending:
        began = time.monotonic()
        sent = [sending.submit(rig.request("1"), is_exit=True) for _ in range(5)]
        outcomes = [future.result(10) for future in sent]
        assert time.monotonic() - began < 5 * 0.5, "side by side"
    assert [outcome.kind for outcome in outcomes] == ["placed"] * 5
    assert rig.executed() == 5


@pytest.mark.fault(8)
def test_an_exit_overtakes_entries_that_wait_and_finds_a_thread(rig: Rig) -> None:
    rig.fault("submit", "delay", delay_s=0.9, times=3)
    with executor(rig) as sending:
        entries = [sending.submit(rig.request("1")) for _ in range(8)]
        time.sleep(0.2)  # three entries hang, the others wait
        outcome = sending.submit(rig.request("1"), is_exit=True).result(10)
        assert outcome.kind == "placed"
        assert not any(entry.done() for entry in entries), "it waited for no entry"
        assert {entry.result(20).kind for entry in entries} == {"placed"}


@pytest.mark.fault(8)
def test_the_last_quarter_of_the_budget_is_for_exits(rig: Rig) -> None:
    rig.broker.pace.told(50.5)  # type: ignore[attr-defined]
    with executor(rig, entry_patience_s=0.2) as sending:
        entry = sending.submit(rig.request("1")).result(10)
        second = sending.submit(rig.request("1")).result(10)
        leaving = sending.submit(rig.request("1"), is_exit=True).result(10)
    assert (entry.kind, second.kind, leaving.kind) in (("refused",) * 2 + ("placed",), ("placed", "refused", "placed"))
    assert second.code == "rate_limited"
    assert (second.sends, second.sent_at) == (0, None)


def test_what_the_venue_refuses_is_an_outcome(rig: Rig) -> None:
    with executor(rig) as sending:
        outcome = sending.submit(rig.request("5000")).result(10)
    assert (outcome.kind, outcome.code, outcome.order) == ("refused", "buying_power", None)


@pytest.mark.fault(42)
def test_revoked_keys_before_and_after_an_order_has_left(rig: Rig) -> None:
    with executor(rig) as sending:
        rig.fault("submit", "status", status=504, when="after")
        rig.fault("find", "status", status=401, times=9)
        in_doubt = sending.submit(rig.request("1")).result(10)
        rig.revoke()
        never = sending.submit(rig.request("1")).result(10)
    assert (in_doubt.kind, in_doubt.code) == ("unknown", "unauthorised")
    assert (never.kind, never.code) == ("refused", "unauthorised")
    assert isinstance(never.error, Unauthorised)
    assert rig.executed() == 1


@pytest.mark.fault(6)
def test_an_entry_that_has_grown_old_is_not_sent_again(rig: Rig) -> None:
    """Its price is gone. It is called absent only when it can no longer arrive."""
    at = [datetime.datetime.now(datetime.UTC)]
    request = rig.request("1")
    rig.fault("submit", "drop", when="before")
    rig.fault("find", "status", status=503, times=1)
    with executor(rig, now=lambda: at[0]) as sending:
        future = sending.submit(request)
        time.sleep(0.15)
        at[0] += datetime.timedelta(seconds=20)
        time.sleep(1.0)
        assert not future.done(), "not proven yet"
        at[0] += datetime.timedelta(seconds=45)
        outcome = future.result(20)
    assert (outcome.kind, outcome.code) == ("refused", "not_placed")
    assert rig.sent(request.client_order_id) == 0


def test_an_outage_ends_as_unknown_and_is_settled_later(rig: Rig) -> None:
    at = [datetime.datetime.now(datetime.UTC)]
    request = rig.request("1")
    rig.fault("submit", "status", status=504, when="after")
    rig.fault("find", "status", status=503, times=100)
    with executor(rig, now=lambda: at[0]) as sending:
        future = sending.submit(request)
        time.sleep(0.3)
        at[0] += datetime.timedelta(hours=1)
        outcome = future.result(20)
        assert outcome.kind == "unknown"
        assert outcome.sent_at is not None
        assert rig.venue is not None
        rig.venue.faults.clear()
        settled = sending.settle(request, outcome.sent_at).result(20)
    assert (settled.kind, rig.executed()) == ("placed", 1)


def test_closing_resolves_everything_and_sends_nothing_more(rig: Rig) -> None:
    rig.fault("submit", "status", status=429, headers={"retry-after": "30"})
    sending = Executor(rig.broker)
    rest = sending.submit(rig.request("1"), is_exit=True)
    time.sleep(0.3)
    sending.close()
    assert (rest.result(1).kind, rest.result(1).code) == ("refused", "not_placed")
    with pytest.raises(RuntimeError):
        sending.submit(rig.request("1"))
    assert rig.executed() == 0


def test_what_we_add_to_an_order_is_little(rig: Rig) -> None:
    with executor(rig) as sending:
        for _ in range(100):
            assert sending.submit(rig.request("1"), is_exit=True).result(10).kind == "placed"
        figures = sending.figures()
    assert figures["count"] == 100
    assert figures["queued_p99_ms"] <= 20
    assert figures["answer_p50_ms"] > 0


# --- the budget ---------------------------------------------------------------------------------------------------


def test_a_budget_fills_up_and_keeps_a_share() -> None:
    at = [0.0]
    pace = Pace(60, clock=lambda: at[0])
    for _ in range(45):
        pace.pass_by()
    with pytest.raises(RateLimited) as error:
        pace.pass_by()
    assert error.value.retry_after_s == pytest.approx(1.0)
    with urgent():
        for _ in range(15):
            pace.pass_by()
        with pytest.raises(RateLimited):
            pace.pass_by()
    at[0] += 16.0
    pace.pass_by()
    with pytest.raises(RateLimited):
        pace.pass_by()


def test_a_ban_holds_for_exits_too_and_is_not_shortened() -> None:
    at, bans = [0.0], []
    pace = Pace(60, clock=lambda: at[0])
    pace.on_ban = bans.append
    pace.block(100, ban=True)
    pace.block(5)
    pace.block(7, ban=True)
    assert bans == [100.0], "a ban is news where it is a longer one"
    with urgent(), pytest.raises(Banned) as error:
        pace.pass_by()
    assert error.value.retry_after_s == 100
    at[0] = 100.0
    pace.pass_by()
    assert pace.blocked_s == 0


# --- the proof where ids do not stay used -------------------------------------------------------------------------


class Asking:
    """A proof against the paper exchange under Binance's rules, with a clock in the hand."""

    def __init__(self, rig: Rig, *, may_resend: bool = True) -> None:
        self.broker = PaperBroker(rig.exchange, threading.RLock(), KEY, SECRET, house="binance")
        self.at, self.rig = rig.now, rig
        self.request = rig.request("1")
        self.steps: Generator[float, None, Verdict] = prove(
            self.broker, self.request, self.at, now=lambda: self.at, may_resend=lambda: may_resend,
            until=self.at + datetime.timedelta(minutes=5),
        )  # fmt: skip

    def step(self) -> Verdict | None:
        """Ask once more, after the wait that it wants."""
        try:
            self.at += datetime.timedelta(seconds=next(self.steps))
        except StopIteration as end:
            verdict: Verdict = end.value
            return verdict
        return None


@pytest.mark.fault(6)
def test_an_id_that_may_be_used_twice_is_never_sent_twice() -> None:
    with paper() as rig:
        asking = Asking(rig)
        began = asking.at
        while (verdict := asking.step()) is None:
            assert rig.sent(asking.request.client_order_id) == 0
        assert (verdict.kind, verdict.refused) == ("absent", None)
        assert (asking.at - began).total_seconds() >= asking.broker.capabilities.proof_window_s
        assert rig.sent(asking.request.client_order_id) == 0


@pytest.mark.fault(5)
def test_an_order_that_arrives_late_is_found() -> None:
    with paper() as rig:
        asking = Asking(rig)
        assert asking.step() is None
        asking.broker.submit(asking.request)
        verdict = asking.step()
        assert verdict is not None
        assert (verdict.kind, rig.sent(asking.request.client_order_id)) == ("placed", 1)


def test_an_order_that_only_its_executions_show_is_found() -> None:
    """The venue's list of orders may be behind its list of executions."""
    with paper() as rig:
        asking = Asking(rig)
        asking.broker.submit(asking.request)
        rig.account.by_client_id.clear()
        while (verdict := asking.step()) is None:
            pass
        assert verdict.kind == "placed"
        assert verdict.order is not None
        assert verdict.order.client_order_id == asking.request.client_order_id
