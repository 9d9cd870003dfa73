"""LIVE sessions at a practice venue in a process of its own: how long from a tick to the order that it led to.

The venue notes when an order arrived, by this machine's clock, so its moment is compared with ours. The floor is the
same way without us, measured meanwhile: a bare client with one kept connection.
"""

from __future__ import annotations

import argparse
import datetime as dt
import secrets
import time
from decimal import Decimal
from typing import Any

import httpx
import requests
from django.utils import timezone

from bench.live import rig as rigs
from bench.live.report import Line, percentile, percentiles, show
from bench.live.rig import Rig
from bots import tasks
from bots.models import BrokerExecution, Cycle, HostSign, Order, TradingSession

PER_ACCOUNT = 4  # sessions, each in another symbol: what Alpaca's 200 requests a minute have room for
SYMBOLS = ("SIM-ALPHA", "SIM-BETA", "SIM-GAMMA", "SIM-DELTA")
PACE = 1.02  # market seconds, and so bars, a second: of the finest bars there are, hardly more than come
FLOOR_EVERY_S = 0.2
OVER = ("STOPPED", "HALTED", "FAILED")


def live(rig: Rig, chosen: argparse.Namespace) -> int:
    """Bars close at moments of their own, spread over the second that a bar takes; no stops, so that each order
    is one request and none waits for another's end."""
    owner = rigs.user()
    rig.start("practice_venue")
    url = f"http://127.0.0.1:{rig.venue_port}"
    rows = _sessions(owner, url, chosen.sessions)
    worker = rig.start("trading_worker")
    tasks.tick.delay()
    up_s = rigs.wait_for(lambda: rigs.running(rows) == len(rows), "every session to run", 300)
    time.sleep(5)
    began, cpu = time.time(), rigs.cpu_s(worker.pid)
    floor = _floor(url, chosen.minutes * 60)
    busy = (rigs.cpu_s(worker.pid) - cpu) / (time.time() - began)
    until = timezone.now()
    sign = HostSign.objects.order_by("-seen_at").first()
    ids = [row.pk for row in rows]
    TradingSession.objects.filter(pk__in=ids).update(wanted="STOP", stop_policy="flatten", stop_reason="user")
    rigs.wait_for(lambda: not TradingSession.objects.exclude(state__in=OVER).exists(), "sessions to stop", 180)
    ledger = httpx.get(f"{url}/practice/ledger", trust_env=False, timeout=60).json()
    ours = {row.broker_account.api_key.reveal() for row in rows}
    told = [order for key, account in ledger.items() if key in ours for order in account["orders"]]
    arrived = {order["client_order_id"]: dt.datetime.fromisoformat(order["created_at"]) for order in told}
    since = dt.datetime.fromtimestamp(began, dt.UTC)
    from_tick, from_row = _waits(arrived, since, until)
    queued = [account["queued_p99_ms"] for account in (sign.stats["accounts"].values() if sign else ())]
    executed = sum(len(account["executions"]) for key, account in ledger.items() if key in ours)
    lines = [
        *percentiles("a bare client's order to the venue (floor)", floor, {0.5: None, 0.99: None}),
        *percentiles("tick to the order's arrival", from_tick, {0.5: None, 0.95: None, 0.99: 25}),
        *percentiles("order's row to its arrival", from_row, {0.5: None, 0.95: None, 0.99: None}),
        Line("added by us to it, p99 less the floor's", percentile(from_row, 0.99) - percentile(floor, 0.99), "ms", 20),
        Line("waited in the queue of the worst account, p99", max(queued, default=0.0), "ms"),
        Line("orders twice at the venue", len(told) - len(arrived), "", 0),
        Line("orders there that nobody decided", _strange(arrived), "", 0),
        Line("executions there and not here", abs(executed - BrokerExecution.objects.count()), "", 0),
        Line("sessions halted or failed", TradingSession.objects.filter(state__in=("HALTED", "FAILED")).count(), "", 0),
        Line("the worker's use of one core", busy * 100, "%"),
        Line("until all sessions ran", up_s, "s", 60),
    ]  # fmt: skip
    return show("live", lines, chosen.out, database=rig.database, sessions=chosen.sessions, minutes=chosen.minutes)


def _sessions(owner: Any, url: str, count: int) -> list[Any]:
    from accounts.models import BrokerAccount

    made: list[Any] = []
    anchor = timezone.now().replace(microsecond=0)
    for number in range(count):
        if number % PER_ACCOUNT == 0:
            key, secret = _open(url)
            account = BrokerAccount.objects.create(
                owner=owner, name=f"Load {number}", kind="alpaca", environment="PRACTICE", api_key=key,
                api_secret=secret, cash=Decimal(1_000_000),
            )  # fmt: skip
        # Markets whose clocks ran away from ours at different moments are a part of a second apart now.
        before = number / count / (PACE - 1)
        options = {
            "seed": 20260101, "ticks_per_s": 2, "accelerate": PACE,
            "anchor": (anchor - dt.timedelta(seconds=before)).isoformat(),
        }  # fmt: skip
        made += rigs.sessions(
            owner, 1, settings={"allow_fractional": False, "stop_loss_pct": None}, mode="LIVE", broker_account=account,
            symbols=[SYMBOLS[number % PER_ACCOUNT]], initial_cash=Decimal(100_000), feed_options=options,
            strategy_parameters={"fast_window": 5, "slow_window": 15, "min_strength_threshold": 0.0},
        )  # fmt: skip
    return made


def _open(url: str) -> tuple[str, str]:
    """The keys of a new account at the venue."""
    key, secret = f"PK{secrets.token_hex(9).upper()}", secrets.token_hex(20)
    body = {"key": key, "secret": secret, "cash": "1000000"}
    httpx.post(f"{url}/practice/accounts", json=body, trust_env=False).raise_for_status()
    return key, secret


def _floor(url: str, seconds: float) -> list[float]:
    """Milliseconds from before a POST to the moment that the venue notes, with nothing of ours in between."""
    key, secret = _open(url)
    client = requests.Session()
    client.trust_env = False
    client.headers.update({"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret})
    took: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(FLOOR_EVERY_S)
        body = {"symbol": "SIM-ALPHA", "qty": "1", "side": ("buy", "sell")[len(took) % 2], "type": "market",
                "time_in_force": "day", "client_order_id": f"floor-{len(took)}"}  # fmt: skip
        began = time.time()
        answer = client.post(f"{url}/v2/orders", json=body, timeout=10)
        answer.raise_for_status()
        took.append((dt.datetime.fromisoformat(answer.json()["created_at"]).timestamp() - began) * 1e3)
    return took


def _waits(arrived: dict[str, dt.datetime], since: dt.datetime, until: dt.datetime) -> tuple[list[float], list[float]]:
    """Milliseconds to the arrival: from the tick that closed the bar, and from the order's row."""
    cycles = Cycle.objects.filter(received_at__gte=since, caught_up=False)
    received = {(pk, at): got for pk, at, got in cycles.values_list("session_id", "closed_at", "received_at")}
    from_tick, from_row = [], []
    orders = Order.objects.filter(created_at__gte=since, created_at__lte=until)
    for row in orders.only("session_id", "decided_at", "created_at", "client_order_id"):
        there, tick = arrived.get(row.client_order_id), received.get((row.session_id, row.decided_at))
        if there is not None and tick is not None:
            from_tick.append((there - tick).total_seconds() * 1e3)
            from_row.append((there - row.created_at).total_seconds() * 1e3)
    return from_tick, from_row


def _strange(arrived: dict[str, dt.datetime]) -> int:
    known = set(Order.objects.values_list("client_order_id", flat=True))
    return sum(name not in known for name in arrived)
