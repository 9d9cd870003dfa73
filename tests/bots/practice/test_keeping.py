"""The practice venue's ledger on disk: nothing that was answered is lost, whatever ends the process."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import initialize, invariant, rule

from bots.practice.clock import Clock
from bots.practice.exchange import Exchange
from bots.practice.keeping import Keeper, KeptElsewhere
from bots.practice.orders import Instrument, Quote, Request
from bots.practice.server import Venue
from tests.bots.practice.test_exchange import Trading

ROOT = Path(__file__).resolve().parents[3]
KEYS = {"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "S"}


def orders(address: str, **body: Any) -> httpx.Response:
    order = {"symbol": "SIM-ALPHA", "side": "buy", "type": "market", "time_in_force": "gtc", "qty": "1"} | body
    return httpx.post(f"http://{address}/v2/orders", headers=KEYS, json=order, timeout=20)


def control(address: str, name: str, **body: Any) -> Any:
    answer = httpx.post(f"http://{address}/practice/{name}", json=body, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ledger(address: str) -> dict[str, Any]:
    """Of the account K, without what moves with the market."""
    told: dict[str, Any] = httpx.get(f"http://{address}/practice/ledger", timeout=20).json()["K"]
    del told["equity"]
    return told


class KeptTrading(Trading):
    """The same laws where the process ends again and again, and only the file goes on."""

    @initialize()
    def begin(self) -> None:
        super().begin()
        self.folder = tempfile.TemporaryDirectory()
        self.keeper = Keeper(Path(self.folder.name) / "ledger.sqlite")
        account = self.exchange.accounts.pop("k")
        self.keeper.restore(self.exchange)
        self.exchange.accounts["k"] = account
        self.keeper.save({}, thorough=True)

    @invariant()
    def kept(self) -> None:
        self.keeper.save({}, thorough=False)

    @rule()
    def restart(self) -> None:
        self.keeper.close()
        self.keeper = Keeper(Path(self.folder.name) / "ledger.sqlite")
        again = Exchange([Instrument("A")], lambda: self.at)
        self.keeper.restore(again)
        again.accounts["k"].position("A")  # looking makes an empty one
        assert again.accounts == self.exchange.accounts
        assert again.serial == self.exchange.serial
        again.quotes = self.exchange.quotes
        self.exchange, self.account = again, again.accounts["k"]

    def teardown(self) -> None:
        self.keeper.close()
        self.folder.cleanup()


def test_splits_and_dividends_are_kept(tmp_path: Path) -> None:
    def opened() -> tuple[Keeper, Exchange]:
        keeper, exchange = Keeper(tmp_path / "ledger.sqlite"), Exchange([Instrument("A")], Clock().now)
        keeper.restore(exchange)
        return keeper, exchange

    keeper, exchange = opened()
    exchange.split("A", 3, 1)
    exchange.dividend("A", Decimal("0.25"))
    keeper.save({}, thorough=True)
    keeper.close()
    keeper, again = opened()
    keeper.close()
    assert (again.splits, again.dividends) == (exchange.splits, exchange.dividends)
    assert [(row.symbol, row.amount) for row in again.dividends] == [("A", Decimal("0.25"))]


KeptTrading.TestCase.settings = settings(
    max_examples=20, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestKeptTrading = KeptTrading.TestCase


@contextmanager
def served(path: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command with this ledger; killed at the end, and its address."""
    argv = [sys.executable, "manage.py", "venue", "--port", "0", "--key", "K", "--secret", "S"]
    argv += ["--symbols", "SIM-ALPHA,BTC/USD", "--ledger", str(path), *more]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://(127\.0\.0\.1:\d+)", process.stdout.readline())
            assert found
            for line in process.stdout:
                if "ledger" in line:
                    break
            for _ in range(200):
                try:
                    httpx.get(f"http://{found[1]}/v2/clock", headers=KEYS)
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            yield process, found[1]
        finally:
            process.kill()


def test_a_killed_venue_comes_back_with_every_account_order_and_execution(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with served(path) as (process, address):
        assert orders(address, client_order_id="whole", qty="10").status_code == 200
        bracket = orders(
            address, client_order_id="bracket", type="limit", limit_price="1", order_class="bracket",
            take_profit={"limit_price": "2"}, stop_loss={"stop_price": "0.5"},
        )  # fmt: skip
        assert bracket.status_code == 200, bracket.text
        assert orders(address, client_order_id="coin", symbol="BTC/USD", qty="0.01").status_code == 200
        control(address, "transfers", key="K", amount="250")
        control(address, "dividends", symbol="SIM-ALPHA", amount="0.5")
        control(address, "halts", symbol="BTC/USD", halted=True)
        resting = orders(address, client_order_id="rests", type="limit", limit_price="1.5", side="buy")
        before = ledger(address)
        os.kill(process.pid, signal.SIGKILL)
    assert len(resting.json()["id"]) == 36
    with served(path) as (_, address):
        after = ledger(address)
        assert after == before
        kinds = httpx.get(f"http://{address}/v2/account/activities", headers=KEYS).json()
        assert sorted(row["activity_type"] for row in kinds) == ["CSD", "DIV", "FILL", "FILL"]
        (dividend,) = [row for row in kinds if row["activity_type"] == "DIV"]
        assert (dividend["net_amount"], dividend["per_share_amount"]) == ("5", "0.5")
        again = orders(address, client_order_id="rests")
        assert (again.status_code, again.json()["message"]) == (422, "client_order_id must be unique")
        assert orders(address, symbol="BTC/USD", qty="0.01").json()["status"] == "accepted"  # it is still halted
        cancelled = httpx.delete(f"http://{address}/v2/orders/{bracket.json()['id']}", headers=KEYS)
        assert cancelled.status_code == 204
        states = {row["client_order_id"]: row["status"] for row in ledger(address)["orders"]}
        assert states["bracket"] == "canceled"
        assert sorted(states.values()).count("canceled") == 3  # its legs, too


def test_whenever_it_dies_what_was_answered_is_there_and_adds_up(tmp_path: Path) -> None:
    path, rng, answered = tmp_path / "ledger.sqlite", random.Random(7), set()
    for life in range(3):
        with served(path) as (process, address):
            dying = threading.Timer(rng.uniform(0.0, 0.5), os.kill, (process.pid, signal.SIGKILL))
            try:
                for k in range(10_000):
                    if k == 5:
                        dying.start()
                    name = f"{life}-{k}"
                    side = "buy" if rng.random() < 0.7 or k < 3 else "sell"
                    if orders(address, client_order_id=name, side=side).status_code == 200:
                        answered.add(name)
            except httpx.TransportError:
                pass
            dying.join()
    with served(path) as (_, address):
        told = ledger(address)
    assert len(answered) > 10
    assert answered <= {row["client_order_id"] for row in told["orders"]}
    sides = {row["id"]: 1 if row["side"] == "buy" else -1 for row in told["orders"]}
    filled = [(sides[row["order_id"]], Decimal(row["qty"]), Decimal(row["price"])) for row in told["executions"]]
    assert len({row["id"] for row in told["executions"]}) == len(filled)
    assert Decimal(told["positions"].get("SIM-ALPHA", "0")) == sum(sign * qty for sign, qty, _ in filled)
    assert Decimal(told["cash"]) == 100_000 - sum(sign * qty * px for sign, qty, px in filled)


def test_a_day_that_ended_while_the_venue_was_down_ends_its_orders(tmp_path: Path) -> None:
    clock = [1_795_618_800.0]  # 2026-11-25T15:00Z, a Wednesday with a session
    stock = Instrument("A", calendar="XNYS")

    def venue() -> Venue:
        made = Venue([stock], clock=Clock(lambda: clock[0]), is_scripted=True, keeper=Keeper(tmp_path / "l.sqlite"))
        made.market.say("A", Quote(Decimal(99), Decimal(101), Decimal(100)), made.now_ns())
        return made

    first = venue()
    account = first.open_account("K", "S")
    for name, tif in (("today", "day"), ("on", "gtc")):
        request = Request("A", "buy", "limit", tif, name, Decimal(1), limit_px=Decimal(50))  # type: ignore[arg-type]
        first.exchange.submit(account, request)
    first.tick()
    assert first.keeper is not None
    first.keeper.close()
    clock[0] += 2 * 86_400
    second = venue()
    second.tick()
    states = {row.request.client_id: row.status for row in second.exchange.accounts["K"].orders.values()}
    assert states == {"today": "expired", "on": "new"}
    assert second.keeper is not None
    second.keeper.close()
    clock[0] -= 86_400  # a machine whose clock was put back
    third = venue()
    assert third.clock.seconds() >= clock[0] + 86_400
    assert {row.request.client_id: row.status for row in third.exchange.accounts["K"].orders.values()} == states


def test_one_venue_has_a_ledger_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "ledger.sqlite"
    keeper = Keeper(path)
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(KeptElsewhere, match="another venue may have it open"):
        Keeper(path)
    keeper.close()
    Keeper(path).close()
    other = tmp_path / "text"
    other.write_text("no ledger" * 100)
    with pytest.raises(KeptElsewhere, match="cannot be used"):
        Keeper(other)
    with served(path) as (_, _address):
        argv = [sys.executable, "manage.py", "venue", "--port", "0", "--ledger", str(path)]
        second = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert "--ledger" in second.stderr
    assert second.stdout == ""
