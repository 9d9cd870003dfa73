"""Budgets of requests: shared by all processes, a quarter kept for what runs live, careful without Redis."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import redis

from marketdata import budget, usage
from marketdata.budget import Limit
from marketdata.columns import SECOND
from marketdata.models import ProviderUsage
from marketdata.providers import ProviderError
from marketdata.providers.binance import BinanceProvider
from marketdata.providers.meter import Meter
from marketdata.zones import to_ns
from tests.marketdata.vendor_rig import NOW, served

ROOT = Path(__file__).resolve().parents[2]
DAY_S = Limit(8, 86_400.0)


def scope() -> str:
    return f"test:{uuid.uuid4().hex}"


@pytest.fixture
def no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens there."""
    away = redis.Redis(host="127.0.0.1", port=9, socket_connect_timeout=0.2)
    monkeypatch.setattr(budget, "redis_client", lambda: away)
    monkeypatch.setattr(usage, "redis_client", lambda: away)


@pytest.mark.row("G8")
def test_history_gets_three_quarters_and_what_is_live_the_rest() -> None:
    name = scope()
    assert [budget.take(name, [DAY_S]) for _ in range(6)] == [0.0] * 6
    assert budget.take(name, [DAY_S]) > 80_000, "the seventh of eight is kept"
    assert budget.left(name, [DAY_S]) == 0.0
    assert budget.left(name, [DAY_S], purpose="live") == 0.25
    assert [budget.take(name, [DAY_S], purpose="live") for _ in range(2)] == [0.0] * 2
    assert budget.take(name, [DAY_S], purpose="live") > 80_000
    assert budget.take(scope(), [DAY_S]) == 0.0, "another key has a budget of its own"


def test_all_limits_or_none_and_by_weight() -> None:
    name, minute = scope(), Limit(2, 60.0)
    assert budget.take(name, [DAY_S, minute], purpose="live", weight=2) == 0.0
    assert 55.0 < budget.take(name, [DAY_S, minute], purpose="live") <= 62.0, "the minute is used up"
    assert budget.left(name, [DAY_S], purpose="live") == 0.75, "and nothing was taken of the day for it"
    assert budget.take(name, [DAY_S], purpose="live", weight=7) > 0.0
    assert budget.take(name, [DAY_S], purpose="live", weight=6) == 0.0
    assert budget.take(scope(), [minute], weight=50) == 0.0, "what alone is too much is let through once"


def test_a_window_slides() -> None:
    name, second = scope(), Limit(4, 1.0)
    times: list[float] = []
    started = time.monotonic()
    while len(times) < 11:
        if (wait := budget.take(name, [second], purpose="live")) == 0.0:
            times.append(time.monotonic() - started)
        else:
            assert wait <= 1.05
            time.sleep(wait)
    assert all(later - earlier > 0.95 for earlier, later in zip(times, times[4:], strict=False))
    assert times[-1] < 4.0


@pytest.mark.row("G8")
def test_processes_and_threads_never_count_past_each_other() -> None:
    name, limit = scope(), Limit(40, 600.0)
    program = (
        "import django; django.setup()\n"
        "from marketdata import budget\n"
        f"print(sum(budget.take({name!r}, [budget.Limit(40, 600.0)], purpose='live') == 0.0 for _ in range(40)))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    with ThreadPoolExecutor(4) as pool:
        ours = sum(pool.map(lambda _: budget.take(name, [limit], purpose="live") == 0.0, range(30)))
    theirs = [int(process.communicate(timeout=60)[0]) for process in running]
    assert all(process.returncode == 0 for process in running)
    assert ours + sum(theirs) == 40


def test_a_pause_is_for_all_and_the_longer_one_stays() -> None:
    name = scope()
    budget.pause(name, 30.0)
    budget.pause(name, 5.0)
    assert 25.0 < budget.take(name, [DAY_S], purpose="live") <= 30.0
    assert budget.left(name, [DAY_S], purpose="live") == 0.0


@pytest.mark.usefixtures("no_redis")
def test_without_redis_a_process_takes_a_quarter_and_counts_go_on() -> None:
    name = scope()
    assert [budget.take(name, [DAY_S], purpose="live") == 0.0 for _ in range(3)] == [True, True, False]
    assert budget.left(name, [DAY_S], purpose="live") == 0.0
    budget.pause(name, 60.0)
    assert budget.take(name, [Limit(1000, 1.0)], purpose="live") > 50.0


class Strict(BaseHTTPRequestHandler):
    """Refuses the first request and says for how long; notes when each came."""

    came: list[float] = []
    lock = threading.Lock()
    refusal = (429, {"Retry-After": "1"})

    def do_GET(self) -> None:
        with self.lock:
            self.came.append(time.monotonic())
            status, headers = self.refusal if len(self.came) == 1 else (200, {})
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header, value)
        self.end_headers()
        rows = [[int(NOW.timestamp()) * 1000 - 120_000, "1", "1", "1", "1", "5"]]
        self.wfile.write(json.dumps(rows).encode())

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def strict() -> Iterator[tuple[type[Strict], str]]:
    class Handler(Strict):
        came: list[float] = []

    with served(Handler) as url:
        yield Handler, url


def asked(url: str) -> int:
    end = to_ns(NOW)
    return len(BinanceProvider(url, now=lambda: NOW).history("BTCUSDT", "1m", end - 300 * SECOND, end))


@pytest.mark.django_db
@pytest.mark.row("G8")
def test_retry_after_is_kept_by_everybody_and_requests_are_counted(strict: tuple[type[Strict], str]) -> None:
    handler, url = strict
    usage.write()
    before = counted("binance")
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda _: asked(url), range(3))) == [1, 1, 1]
    first, *others = handler.came
    assert len(handler.came) == 4
    # Requests that were on their way already came through; who asked after the refusal waited for as long as it said.
    assert max(others) - first > 0.95
    usage.write()
    assert counted("binance") - before == Counter(requests=4, errors=1)


@pytest.mark.django_db
def test_a_budget_that_is_used_up_is_said_in_plain_words(strict: tuple[type[Strict], str], settings: Any) -> None:
    handler, url = strict
    settings.BINANCE_WEIGHT_PER_MINUTE = 2
    handler.refusal = (200, {})
    assert asked(url) == 1
    live = Meter("binance", "Binance", url, "", "live")
    with pytest.raises(ProviderError, match=r"budget of requests is used up; it allows more in \d+ s") as error:
        live.take(2)
    assert error.value.retryable
    assert len(handler.came) == 1, "nothing was sent"


@pytest.mark.django_db
@pytest.mark.row("G8")
def test_usage_becomes_rows_once_with_its_price(settings: Any) -> None:
    from decimal import Decimal

    settings.DATA_PRICE_PER_REQUEST = {"polygon": Decimal("0.002")}
    usage.write()
    ProviderUsage.objects.all().delete()
    usage.count("polygon", requests=3, bars=500, misses=1)
    usage.count("polygon", requests=1, errors=1, hits=2)
    assert usage.write() == 1
    assert usage.write() == 0
    usage.count("polygon", requests=1)
    usage.write()
    row = ProviderUsage.objects.get(provider="polygon")
    assert (row.requests, row.errors, row.bars, row.hits, row.misses) == (5, 1, 500, 2, 1)
    assert row.cost == Decimal("0.01")


@pytest.mark.django_db
def test_what_is_counted_without_redis_is_written_later(monkeypatch: pytest.MonkeyPatch) -> None:
    usage.write()
    ProviderUsage.objects.all().delete()
    there = usage.redis_client
    away = redis.Redis(host="127.0.0.1", port=9, socket_connect_timeout=0.2)
    monkeypatch.setattr(usage, "redis_client", lambda: away)
    usage.count("yahoo", requests=2)
    assert usage.write() == 0
    monkeypatch.setattr(usage, "redis_client", there)
    usage.count("yahoo", requests=1)
    usage.write()
    assert ProviderUsage.objects.get(provider="yahoo").requests == 3


def counted(provider: str) -> Counter[str]:
    rows = ProviderUsage.objects.filter(provider=provider).values_list("requests", "errors")
    return Counter(requests=sum(r for r, _ in rows), errors=sum(e for _, e in rows))
