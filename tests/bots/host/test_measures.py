"""What hosts measure of themselves, and who sees it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from bots.host.measures import OF_SESSION, Measures
from bots.models import DailyStats, HostSign, Order, TradingSession
from bots.selectors import drawdown_pct
from bots.selectors.system import SILENT_S, hosts_fault
from bots.venues.base import VenueOrder
from bots.venues.paper import PaperVenue
from tests.bots.factories import make_session
from tests.bots.host.hosting import host, make, wait_for
from tradingsite.lib.machine import Machine


class SlowVenue(PaperVenue):
    """The simulated venue behind a bad line."""

    def submit(self, orders: Sequence[Order]) -> list[VenueOrder]:
        time.sleep(1.2)
        return super().submit(orders)


def p50_of_ack(session_id: int) -> float:
    """What the host says of one session, in milliseconds; 0 before it says anything."""
    return HostSign.objects.get().stats["sessions_ms"].get(str(session_id), {}).get("ack", {}).get("p50", 0.0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.row("P3", "P5", "P11", "Q3", "Q4")
def test_a_host_tells_what_it_takes_and_a_slow_venue_shows(
    alice: User, carol: User, api: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="bots.host.news"), host() as running:
        quick = make(alice, name="quick")
        wait_for(lambda: quick.trades.count() >= 4)
        sign = wait_for(lambda: HostSign.objects.filter(stats__latency_ms__booked__n__gte=2).first())
        calm = sign.stats["latency_ms"]
        caplog.clear()  # a machine that is busy with other tests may have been slow, too
        running.desk.venue = SlowVenue()
        slow = make(alice, name="slow")
        wait_for(lambda: slow.trades.exists(), 60)
        wait_for(lambda: p50_of_ack(slow.pk) >= 1_200, 60)
        told = api(carol).get("/api/system").json()
        page = Client()
        page.force_login(carol)
        desk = page.get("/operators/bots/hostsign/").content.decode()
    assert set(calm) == {"signal", "intent", "ack", "booked"}
    assert all(0 < calm[name]["p50"] <= calm[name]["p95"] <= calm[name]["p99"] for name in calm)
    assert calm["ack"]["p50"] < 1_200
    slowly = [record.message for record in caplog.records if record.message.startswith("an order took")]
    assert slowly
    assert all(int(message.split()[3]) > 1_000 for message in slowly)
    [mine] = told["hosts"]
    assert (mine["name"], mine["alive"]) == (running.name, True)
    stats = mine["stats"]
    assert {str(quick.pk), str(slow.pk)} == set(stats["sessions_ms"])
    assert stats["orders_per_s"] > 0
    assert stats["fills_per_s"] > 0
    assert stats["messages_per_s"] > stats["fills_per_s"], "each fill is several messages"
    assert stats["machine"]["memory"]["process_mb"] > 20
    assert told["waiting"] == 0
    assert sum(told["states"].values()) == 2
    assert running.name in desk
    assert "Close to intent ms" in desk


@pytest.mark.django_db
@pytest.mark.row("P11")
def test_exposure_and_drawdown_stand_on_each_session(alice: User, api: Any) -> None:
    session = make_session(alice, initial_cash=Decimal(10_000), equity=Decimal(11_400), exposure=Decimal(2_500))
    day = {"session": session, "start_equity": 10_000, "end_equity": 11_400, "min_equity": 9_900}
    for number, top in enumerate((10_500, 12_000, 11_800), 1):
        DailyStats.objects.create(day=date(2026, 3, number), max_equity=top, **day)
    [listed] = api(alice).get("/api/trading/sessions").json()["results"]
    one = api(alice).get(f"/api/trading/sessions/{session.pk}").json()
    assert listed["drawdown_pct"] == one["drawdown_pct"] == pytest.approx(-5.0)
    assert Decimal(one["exposure"]) == 2_500
    assert drawdown_pct(TradingSession.objects.get(pk=session.pk)) == pytest.approx(-5.0)
    TradingSession.objects.update(equity=12_600)
    assert api(alice).get(f"/api/trading/sessions/{session.pk}").json()["drawdown_pct"] == 0.0


@pytest.mark.django_db
@pytest.mark.row("A5", "P3")
def test_only_operators_see_the_system(alice: User, carol: User, api: Any) -> None:
    assert api(None).get("/api/system").status_code == 401
    assert api(alice).get("/api/system").status_code == 403
    assert api(carol).get("/api/system").json() == {"hosts": [], "waiting": 0, "states": {}}


@pytest.mark.django_db
@pytest.mark.row("B26", "P3")
def test_health_is_degraded_while_sessions_wait_for_a_host(alice: User, client: Client) -> None:
    def sessions() -> str:
        return client.get("/health").json()["checks"]["sessions"]

    assert sessions() == "ok", "nothing waits"
    make_session(alice, state="SCHEDULED")
    assert sessions() == f"1 wait, and no host was seen for {SILENT_S:.0f} s"
    seen = timezone.now() - timedelta(seconds=SILENT_S + 1)
    sign = HostSign.objects.create(name="one", started_at=seen, seen_at=seen)
    assert hosts_fault()
    make_session(alice, state="RUNNING")  # another host's, whose lease holds
    assert sessions().startswith("1 wait")
    HostSign.objects.filter(pk=sign.pk).update(seen_at=timezone.now())
    assert sessions() == "ok"


@pytest.mark.row("P11")
def test_percentiles_rates_and_what_is_forgotten() -> None:
    measures = Measures()
    for number in range(1, 101):
        measures.took(1, "ack", number / 1e3)
    measures.took(2, "ack", 0.5, times=3)
    measures.count("orders", 120)
    told = measures.figures()
    assert told["sessions_ms"]["1"]["ack"] == {"p50": 50.5, "p95": 95.05, "p99": 99.01, "n": 100}
    assert told["sessions_ms"]["2"]["ack"]["n"] == 3
    assert told["latency_ms"]["ack"]["n"] == 103
    assert told["orders_per_s"] == 120, "a second old at least"
    for _ in range(OF_SESSION):
        measures.took(1, "ack", 0.001)
    measures.forget([2])
    told = measures.figures()
    assert set(told["sessions_ms"]) == {"1"}
    assert told["sessions_ms"]["1"]["ack"] == {"p50": 1.0, "p95": 1.0, "p99": 1.0, "n": OF_SESSION}


@pytest.mark.row("P3")
def test_the_machine_is_read_from_the_system(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    block = bytearray(64 * 1_048_576)
    end = time.thread_time() + 0.2
    while time.thread_time() < end:
        block[0] ^= 1
    told = machine.read()
    assert told["memory"]["process_mb"] > 64
    assert 0 < told["memory"]["used_pct"] < 100
    assert told["cpu"]["process_pct"] > 0
    assert 0 <= told["cpu"]["machine_pct"] <= 100
    assert told["disk"]["free_mb"] > 0
    assert set(told["network"]) == {"received_kb_s", "sent_kb_s"}


@pytest.mark.row("P3")
def test_a_system_without_proc_tells_what_it_can(tmp_path: Path) -> None:
    told = Machine(tmp_path, proc=tmp_path / "nothing").read()
    assert set(told) == {"cpu", "disk"}
    assert set(told["cpu"]) == {"cores", "load_1m", "process_pct"}


def test_measures_are_read_while_they_are_written() -> None:
    measures, stop = Measures(), threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            measures.took(number % 50, "signal", 0.001)
            measures.count("messages")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(50):
            assert measures.figures()["latency_ms"].get("signal", {"p50": 1.0})["p50"] == 1.0
    finally:
        stop.set()
        thread.join()
