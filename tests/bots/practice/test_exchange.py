"""Laws of the practice exchange, whatever is asked of it: money and units are never made or lost."""

from __future__ import annotations

import datetime
import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bots.practice.clock import Clock
from bots.practice.exchange import Exchange
from bots.practice.hours import Schedule
from bots.practice.orders import OVER, Instrument, Quote, Refusal, Request
from bots.practice.server import Venue

CENTS = st.integers(9_000, 11_000).map(lambda cents: Decimal(cents) / 100)
UNITS = st.integers(1, 300).map(Decimal)


class Trading(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.at = datetime.datetime(2026, 3, 2, 15, tzinfo=datetime.UTC)
        self.exchange = Exchange([Instrument("A")], lambda: self.at)
        self.exchange.quotes["A"] = Quote(Decimal("99.99"), Decimal("100.01"), Decimal(100))
        self.account = self.exchange.open_account("k", "s", Decimal(20_000))
        self.sent = 0

    @rule(
        side=st.sampled_from(["buy", "sell"]),
        kind=st.sampled_from(["market", "limit", "stop", "stop_limit", "trailing_stop"]),
        tif=st.sampled_from(["day", "gtc", "ioc", "fok", "opg", "cls"]),
        qty=UNITS,
        px=CENTS,
        trigger=CENTS,
    )
    def submit(self, side: str, kind: str, tif: str, qty: Decimal, px: Decimal, trigger: Decimal) -> None:
        self._send(
            Request("A", side, kind, tif, self._id(), qty,  # type: ignore[arg-type]
                    limit_px=px if "limit" in kind else None, stop_px=trigger if kind.startswith("stop") else None,
                    trail_px=Decimal(1) if kind == "trailing_stop" else None)
        )  # fmt: skip

    @rule(qty=UNITS, px=CENTS, order_class=st.sampled_from(["bracket", "oco", "oto"]), long=st.booleans())
    def submit_group(self, qty: Decimal, px: Decimal, order_class: str, long: bool) -> None:
        away = Decimal(2) if long else Decimal(-2)
        exits = order_class == "oco"
        side = ("sell" if long else "buy") if exits else ("buy" if long else "sell")
        base = self.exchange.quotes["A"].last if exits else px
        self._send(
            Request("A", side, "limit", "gtc", self._id(), qty, limit_px=None if exits else px,  # type: ignore[arg-type]
                    order_class=order_class, stop_loss=base - away,  # type: ignore[arg-type]
                    take_profit=None if order_class == "oto" else base + away)
        )  # fmt: skip

    @rule(last=CENTS, spread=st.integers(1, 20), size=st.none() | UNITS)
    def quote(self, last: Decimal, spread: int, size: Decimal | None) -> None:
        half = Decimal(spread) / 100
        self.exchange.quote("A", Quote(last - half, last + half, last, size, size))

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if working := self.account.working():
            self.exchange.cancel(self.account, data.draw(st.sampled_from(working)).id)

    @rule(data=st.data(), qty=UNITS, px=CENTS)
    def replace(self, data: st.DataObject, qty: Decimal, px: Decimal) -> None:
        if working := self.account.working():
            row = data.draw(st.sampled_from(working))
            changes = {"qty": qty, "limit_px": px if row.limit_px is not None else None}
            try:
                self.exchange.replace(self.account, row.id, self._id(), **changes)
            except Refusal:
                assert not row.is_over, "a refused change leaves the order as it was"

    @rule()
    def close(self) -> None:
        self.exchange.session_ends("A")
        assert all(order.request.tif not in ("day", "opg", "cls") or order.parent for order in self.account.working())

    def _id(self) -> str:
        self.sent += 1
        return f"order-{self.sent}"

    def _send(self, request: Request) -> None:
        before = (self.account.cash, len(self.account.orders))
        try:
            self.exchange.submit(self.account, request)
        except Refusal:
            assert (self.account.cash, len(self.account.orders)) == before

    @invariant()
    def money_and_units_follow_from_executions(self) -> None:
        fills = [(row.sign, e) for row in self.account.orders.values() for e in row.executions]
        assert self.account.cash == Decimal(20_000) - sum((sign * e.qty * e.px for sign, e in fills), Decimal(0))
        assert self.account.position("A").qty == sum((sign * e.qty for sign, e in fills), Decimal(0))
        assert len({e.id for _, e in fills}) == len(fills)

    @invariant()
    def orders_are_whole(self) -> None:
        for row in self.account.orders.values():
            assert row.filled == sum((e.qty for e in row.executions), Decimal(0)) <= row.qty
            assert (row.status == "filled") == (row.left == 0)
            assert (row.status in OVER) == (row.ended_at is not None)

    @invariant()
    def exits_never_take_more_than_is_held(self) -> None:
        for row in self.account.orders.values():
            if row.parent is not None or row.request.order_class == "oco":
                for e in row.executions:
                    assert e.position_qty * row.sign <= 0, "an exit of a group opened a position"


Trading.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestTrading = Trading.TestCase


def test_stocks_wait_for_the_opening_bell_and_day_orders_end_with_the_session() -> None:
    """Friday before a half day: 2026-11-27 trades until 13:00 in New York."""
    clock = Clock(lambda: 0.0)
    clock.go_to(datetime.datetime(2026, 11, 27, 13, tzinfo=datetime.UTC))
    hours = Schedule()
    exchange = Exchange([Instrument("A", calendar="XNYS")], clock.now, hours)
    exchange.quotes["A"] = Quote(Decimal("99.99"), Decimal("100.01"), Decimal(100))
    account = exchange.open_account("k", "s", Decimal(20_000))
    early = exchange.submit(account, Request("A", "buy", "market", "day", "1", Decimal(1)))
    rests = exchange.submit(account, Request("A", "buy", "limit", "day", "2", Decimal(1), limit_px=Decimal(90)))
    stays = exchange.submit(account, Request("A", "buy", "limit", "gtc", "3", Decimal(1), limit_px=Decimal(90)))
    exchange.quote("A", exchange.quotes["A"])
    assert early.status == "accepted"
    assert hours.closes_at(exchange.instruments["A"], clock.now()) == datetime.datetime(
        2026, 11, 27, 18, tzinfo=datetime.UTC
    )
    clock.go_to(datetime.datetime(2026, 11, 27, 14, 30, 1, tzinfo=datetime.UTC))
    exchange.quote("A", exchange.quotes["A"])
    assert (early.status, early.average_px) == ("filled", Decimal("100.01"))
    assert hours.clock(clock.now())["is_open"] is True
    exchange.session_ends("A")
    assert (rests.status, stays.status) == ("expired", "new")
    assert [day["close"] for day in hours.days(datetime.date(2026, 11, 26), datetime.date(2026, 11, 30))] == [
        "13:00",
        "16:00",
    ]


def test_a_half_day_ends_its_orders_at_one_in_new_york() -> None:
    wall = [datetime.datetime(2026, 11, 27, 17, 59, 58, tzinfo=datetime.UTC).timestamp()]
    venue = Venue([Instrument("A", calendar="XNYS")], clock=Clock(lambda: wall[0]), is_scripted=True)
    account = venue.open_account("K", "S")
    venue.market.say("A", Quote(Decimal(99), Decimal(101), Decimal(100)), venue.now_ns())
    request = Request("A", "buy", "limit", "day", "today", Decimal(1), limit_px=Decimal(50))
    order = venue.exchange.submit(account, request)
    venue.tick()
    assert order.status == "new"
    wall[0] += 3
    venue.tick()
    assert order.status == "expired"
    late = venue.exchange.submit(account, replace(request, client_id="late"))
    assert late.status == "accepted"  # until Monday


def test_the_command_opens_a_venue_and_says_how_to_reach_it() -> None:
    root = Path(__file__).resolve().parents[3]
    argv = [
        sys.executable,
        "manage.py",
        "venue",
        "--port",
        "0",
        "--key",
        "K",
        "--secret",
        "S",
        "--symbols",
        "SIM-ALPHA",
        "--ledger",
        "",
    ]
    with subprocess.Popen(argv, cwd=root, stdout=subprocess.PIPE, text=True) as venue:
        try:
            assert venue.stdout is not None
            found = re.search(r"http://(127\.0\.0\.1:\d+)", venue.stdout.readline())
            assert found
            for line in venue.stdout:
                if "ledger" in line:
                    break
            request = urllib.request.Request(
                f"http://{found[1]}/v2/account", headers={"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "S"}
            )
            for _ in range(100):
                try:
                    answer = urllib.request.urlopen(request, timeout=10).read()
                    break
                except OSError:
                    time.sleep(0.1)
            assert b'"cash":"100000"' in answer
        finally:
            venue.terminate()
            assert venue.wait(10) in (0, -15, 143)


def test_the_clock_goes_forward_only() -> None:
    clock = Clock(lambda: 1_000.0)
    with pytest.raises(ValueError, match="past"):
        clock.go_to(datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC))
    with pytest.raises(ValueError, match="speed"):
        clock.run_at(-1)
