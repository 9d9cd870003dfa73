"""Around the API: how many queries an answer costs, live progress, the admin."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient
from websockets.sync.client import connect

from accounts import tokens
from accounts.models import User
from backtests import services
from backtests.models import Backtest, Passport, PerformanceRecord, ResultPart, SubmissionCount, Sweep, TrialCount
from backtests.proof import services as passport_services
from backtests.proof.claims import claims as passport_claims
from backtests.sweeps import services as sweep_services
from tests.backtests.conftest import AAPL
from tests.backtests.waiting import wait_for

Run = Callable[..., Backtest]
Api = Callable[[User | None], APIClient]


@pytest.mark.row("B9", "B12")
def test_answers_cost_the_same_few_queries_however_many_rows_there_are(
    alice: User, api: Api, run_now: Run, django_assert_max_num_queries: Any
) -> None:
    def costs() -> dict[str, int]:
        found = {}
        for path in paths:
            with django_assert_max_num_queries(50) as seen:
                answer = client.get(path)
                list(getattr(answer, "streaming_content", []))
            assert answer.status_code == 200, path
            found[path] = len(seen)
        return found

    first = run_now(alice)
    one = f"/api/backtests/{first.pk}"
    paths = [
        "/api/backtests", one, f"{one}/trades", f"{one}/trades.csv", f"{one}/equity", f"{one}/result",
        f"/api/backtests/compare?ids={first.pk}", "/api/performance/overview", "/api/performance/analytics",
        "/api/performance/strategy/ma_crossover", "/api/backtest/health", "/api/backtest/strategies",
    ]  # fmt: skip
    client = api(alice)
    before = costs()
    second, third = run_now(alice, symbols=["IBM", "MSFT"]), run_now(alice, seed=4)
    paths[6] = f"/api/backtests/compare?ids={first.pk},{second.pk},{third.pk}"
    after = costs()
    assert list(after.values()) == list(before.values())
    login = before["/api/backtest/strategies"]  # it reads no row of its own
    own = [count - login for count in before.values()]
    budget = [2, 2, 2, 2, 2, 3, 2, 4, 1, 2, 1, 0]
    assert all(used <= allowed for used, allowed in zip(own, budget, strict=True)), dict(zip(paths, own, strict=True))


@pytest.mark.slow
def test_progress_reaches_the_owner_and_nobody_else(
    alice: User, bob: User, held_worker: tuple[Any, Path], live_site: Any
) -> None:
    _, hold = held_worker
    backtest = wait_for(services.submit(alice, AAPL), "RUNNING")

    def login(user: User) -> dict[str, str]:
        return {"Authorization": f"Bearer {tokens.begin(user).access}"}

    with (
        connect(live_site.ws_url, additional_headers=login(alice)) as mine,
        connect(live_site.ws_url, additional_headers=login(bob)) as theirs,
    ):
        for socket in (mine, theirs):
            socket.send(json.dumps({"op": "subscribe", "topic": backtest.topic}))
        assert json.loads(mine.recv(timeout=10))["event"] == "subscribed"
        assert json.loads(theirs.recv(timeout=10))["event"] == "refused"
        hold.unlink()
        heard: list[dict[str, Any]] = []
        while not heard or heard[-1]["payload"]["state"] != "DONE":
            heard.append(json.loads(mine.recv(timeout=20)))
        assert {message["event"] for message in heard} == {"backtest_progress"}
        assert [message["seq"] for message in heard] == sorted({message["seq"] for message in heard})
        last = heard[-1]["payload"]
        assert last["id"] == str(backtest.pk)
        assert last["done"] == last["total"] == 2_517
        assert last["elapsed_s"] > 0
        with pytest.raises(TimeoutError):
            theirs.recv(timeout=0.5)


@pytest.mark.row("A9")
def test_operators_see_every_table_and_change_no_result(carol: User, alice: User, run_now: Run) -> None:
    done = run_now(alice, name="<script>alert(1)</script>")
    sweep_services.submit(alice, {"backtest": AAPL, "axes": [{"name": "fast_window", "values": [5, 7]}]})
    passport = passport_claims.claim(passport_services.request(alice, done.pk).pk)
    assert passport is not None
    client = Client()
    client.force_login(carol)
    for model in (Backtest, Passport, PerformanceRecord, ResultPart, SubmissionCount, Sweep, TrialCount):
        listed = client.get(reverse(f"admin:backtests_{model._meta.model_name}_changelist"))
        assert listed.status_code == 200, model
        assert b"<script>alert(1)" not in listed.content
        row = model.objects.first()
        assert row is not None
        shown = client.get(reverse(f"admin:backtests_{model._meta.model_name}_change", args=[row.pk]))
        assert shown.status_code == 200, model
        assert str(done.claim_token).encode() not in shown.content
        assert str(passport.claim_token).encode() not in shown.content
        found = client.get(reverse(f"admin:backtests_{model._meta.model_name}_changelist") + "?q=nobody-s")
        assert found.status_code == 200, model
    for row in (passport, TrialCount.objects.get()):
        change = reverse(f"admin:backtests_{row._meta.model_name}_change", args=[row.pk])
        assert client.post(change, {"verdict": "pass", "variants": 0}).status_code == 403
    tried = TrialCount.objects.get()
    assert (
        client.post(reverse("admin:backtests_trialcount_delete", args=[tried.pk]), {"post": "yes"}).status_code == 403
    )
    assert TrialCount.objects.get().variants == tried.variants == 1
    change = reverse("admin:backtests_backtest_change", args=[done.pk])
    assert client.post(change, {"name": "other"}).status_code == 403
    assert client.get(reverse("admin:backtests_backtest_changelist") + "?state__exact=DONE").status_code == 200
