"""The measurements; each starts what it needs in a rig of its own and returns 1 where a target is missed."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import time
from collections import Counter
from typing import Any

import redis
from django.conf import settings
from django.utils import timezone

from bench.live import listening
from bench.live import rig as rigs
from bench.live.report import Line, percentiles, show
from bench.live.rig import Rig
from bots import tasks
from bots.models import Cycle, Decision, HostSign, Order, Trade, TradingSession
from tradingsite.lib import realtime

STEP_NS = 1_000_000_000


def bars(rig: Rig, chosen: argparse.Namespace) -> int:
    """L1 to L3: sessions of four symbols each, bars of one second, three ticks a second of each symbol."""
    owner = rigs.user()
    rows = rigs.sessions(owner, chosen.sessions)
    web, worker = rig.start("web"), rig.start("trading_worker")
    told: dict[int, float] = {}

    def heard(message: dict[str, Any], at: float) -> None:
        if message.get("event") == "trade_executed":
            told.setdefault(message["payload"]["trade"]["id"], at)

    clients = listening.Clients(rig.port, listening.login_of(owner), f"user.{owner.pk}", 1, heard)
    tasks.tick.delay()  # what beat does, at once
    up_s = rigs.wait_for(lambda: rigs.running(rows) == len(rows), "every session to run", 300)
    began, cpu = time.time(), rigs.cpu_s(worker.pid)
    time.sleep(chosen.minutes * 60)
    busy = (rigs.cpu_s(worker.pid) - cpu) / (time.time() - began)
    host, site = rigs.rss_mb(worker.pid), rigs.rss_mb(web.pid)
    sign = HostSign.objects.order_by("-seen_at").first()
    ids = [row.pk for row in rows]
    TradingSession.objects.filter(pk__in=ids).update(wanted="STOP", stop_policy="keep", stop_reason="user")
    rigs.wait_for(lambda: not TradingSession.objects.exclude(state="STOPPED").exists(), "sessions to stop", 180)
    since = dt.datetime.fromtimestamp(began, dt.UTC)
    booked = dict(Trade.objects.filter(booked_at__gte=since).values_list("pk", "booked_at"))
    browser = [(told[pk] - at.timestamp()) * 1e3 for pk, at in booked.items() if pk in told]
    lines = [
        *_losses(rows),
        *percentiles("bar close to intent", _to_intent(since), {0.5: None, 0.95: 100, 0.99: 250}),
        *percentiles("bar close to decision", _to_decision(since), {0.5: None, 0.95: None}),
        *percentiles("fill to browser", browser, {0.5: None, 0.95: 500}),
        Line("websockets lost", clients.lost, "", 0),
        Line("logins renewed by the client", clients.renewed, ""),
        Line("memory of worker and host", host, "MB"),
        Line("memory of web process", site, "MB"),
        Line("memory together", host + site, "MB", 2_000),
        Line("the worker's use of one core", busy * 100, "%"),
        Line("until all sessions ran", up_s, "s", 60),
    ]
    sys.stdout.write(f"the host's own figures: {json.dumps(sign.stats if sign else {})}\n")
    return show("bars", lines, chosen.out, database=rig.database, sessions=chosen.sessions, minutes=chosen.minutes)


def _to_intent(since: dt.datetime) -> list[float]:
    """Milliseconds from a closed bar's arrival to the row of an order that it led to."""
    cycles = Cycle.objects.filter(received_at__gte=since, caught_up=False)
    received = {(pk, at): got for pk, at, got in cycles.values_list("session_id", "closed_at", "received_at")}
    orders = Order.objects.filter(created_at__gte=since).values_list("session_id", "decided_at", "created_at")
    known = ((received.get((pk, decided)), made) for pk, decided, made in orders)
    return [(made - got).total_seconds() * 1e3 for got, made in known if got is not None]


def _to_decision(since: dt.datetime) -> list[float]:
    cycles = Cycle.objects.filter(received_at__gte=since, caught_up=False).values_list("received_at", "decided_at")
    return [(decided - received).total_seconds() * 1e3 for received, decided in cycles]


def _losses(rows: list[Any], step_ns: int = STEP_NS) -> list[Line]:
    """Closed bars between the first and the last cycle that were not, or not once, worked through."""
    lost = doubled = 0
    for row in rows:
        times = list(Cycle.objects.filter(session=row).order_by("ts_ns").values_list("ts_ns", flat=True))
        expected = range(times[0], times[-1] + step_ns, step_ns) if times else range(1)
        seen = Counter(Decision.objects.filter(session=row, decides=True).values_list("symbol", "ts_ns"))
        lost += sum((symbol, ts) not in seen for symbol in row.symbols for ts in expected)
        doubled += len(times) - len(set(times)) + sum(count - 1 for count in seen.values())
    ill = TradingSession.objects.filter(state__in=("HALTED", "FAILED")).count()
    return [
        Line("closed bars lost", lost, "", 0),
        Line("closed bars doubled", doubled, "", 0),
        Line("sessions halted or failed", ill, "", 0),
        Line("closed bars worked through", Decision.objects.filter(decides=True).count(), ""),
    ]


def clients(rig: Rig, chosen: argparse.Namespace) -> int:
    """L4: each client hears five messages a second; one more that reads nothing is cut, and nobody else notices."""
    owner, slow = rigs.user(), rigs.user("deaf")
    web = rig.start("web")
    waits: list[float] = []

    def heard(message: dict[str, Any], at: float) -> None:
        if message.get("event") == "notification":
            waits.append((at - message["payload"]["sent"]) * 1e3)

    group = listening.Clients(rig.port, listening.login_of(owner), f"user.{owner.pk}", chosen.clients, heard)
    up_s = rigs.wait_for(lambda: group.ready + group.lost == chosen.clients, "clients", 120)
    deaf = listening.deaf(rig.port, listening.login_of(slow)(), f"user.{slow.pk}")
    sent, due = 0, time.monotonic()
    end = due + chosen.minutes * 60
    while due < end:
        realtime.publish(f"user.{owner.pk}", "notification", {"sent": time.time(), "text": "x" * 200})
        for _ in range(3):  # until the buffers on the way are full
            realtime.publish(f"user.{slow.pk}", "notification", {"text": "x" * 60_000})
        sent, due = sent + 1, due + 0.2
        time.sleep(max(0.0, due - time.monotonic()))
    time.sleep(2)
    lines = [
        *percentiles("message to client", waits, {0.5: None, 0.95: None, 0.99: 500}),
        Line("messages lost", sent * group.ready - len(waits), "", 0),
        Line("clients lost", group.lost, "", 0),
        Line("clients that read nothing and are still there", float(not listening.is_cut(deaf)), "", 0),
        Line("memory of web process", rigs.rss_mb(web.pid), "MB"),
        Line("until all clients listened", up_s, "s"),
    ]
    return show("clients", lines, chosen.out, database=rig.database, clients=chosen.clients, minutes=chosen.minutes)


def recovery(rig: Rig, chosen: argparse.Namespace) -> int:
    """L7: kill -9 of the worker with all its hosts; another worker and beat bring every session back."""
    rows = rigs.sessions(rigs.user(), chosen.sessions)
    worker = rig.start("trading_worker")
    tasks.tick.delay()
    rigs.wait_for(lambda: rigs.running(rows) == len(rows), "every session to run", 300)
    time.sleep(chosen.minutes * 60)
    rig.kill(worker)
    fences = dict(TradingSession.objects.values_list("pk", "fence"))
    began = time.monotonic()
    rig.start("trading_worker")
    rig.start("beat")

    def all_back() -> bool:
        back = TradingSession.objects.filter(state="RUNNING").values_list("pk", "fence")
        return sum(fence > fences[pk] for pk, fence in back) == len(rows)

    rigs.wait_for(all_back, "every session to run again", 240)
    took = time.monotonic() - began
    time.sleep(5)
    lines = [Line("kill -9 until every session ran again", took, "s", 60), *_losses(rows)]
    return show("recovery", lines, chosen.out, database=rig.database, sessions=chosen.sessions)


def soak(rig: Rig, chosen: argparse.Namespace) -> int:
    """L8: five market days in `--minutes`; figures after the first against those after the last."""
    pace = 5 * 86_400 / (chosen.minutes * 60)
    anchor = timezone.now().isoformat(timespec="seconds")
    options = {"seed": 7, "ticks_per_s": 1, "accelerate": pace, "anchor": anchor}
    rows = rigs.sessions(rigs.user(), chosen.sessions, symbols=2, timeframe="1m", feed_options=options)
    worker = rig.start("trading_worker")
    tasks.tick.delay()
    rigs.wait_for(lambda: rigs.running(rows) == len(rows), "every session to run", 300)
    cache = redis.Redis.from_url(settings.REDIS_URL)
    days = []
    for day in range(1, 6):
        time.sleep(chosen.minutes * 60 / 5)
        days.append((rigs.rss_mb(worker.pid), rigs.open_files(worker.pid), int(cache.dbsize())))
        sys.stdout.write("after market day {}: {:,.0f} MB, {} files, {} keys\n".format(day, *days[-1]))
    (first_mb, first_files, first_keys), (last_mb, last_files, last_keys) = days[0], days[-1]
    lines = [
        Line("growth of memory, day 1 to 5", (last_mb / first_mb - 1) * 100, "%", 5),
        Line("more open files", last_files - first_files, "", 2),
        Line("more Redis keys", last_keys - first_keys, "", 2),
        Line("SQLite's write-ahead log", sum(p.stat().st_size for p in rig.home.glob("*-wal")) / 1e6, "MB", 64),
        *_losses(rows, 60 * STEP_NS),
    ]
    return show("soak", lines, chosen.out, database=rig.database, sessions=chosen.sessions, minutes=chosen.minutes)
