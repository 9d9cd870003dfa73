"""Turns between users, what tiers allow, what strangers may do, and the command line."""

from __future__ import annotations

import io
import json
import threading
import uuid
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Count

from accounts.models import Tier, User
from backtests import services as backtest_services
from backtests.models import Backtest, Sweep, SweepChunk
from backtests.sweeps import cells, claims, columns, job, selectors, services
from engine.errors import InputError
from tests.backtests.conftest import AAPL
from tests.backtests.sweeps.rig import BODY
from tradingsite.lib.errors import NotFound, QuotaExceeded, Unprocessable

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.row("H16")]


@pytest.mark.row("P9")
def test_users_take_turns(alice: User, bob: User, sample_data: None, monkeypatch: Any) -> None:
    """Somebody's many chunks do not starve another's few, on one worker and on four."""
    monkeypatch.setattr(services, "_MOST_IN_CHUNK", 1)
    services.submit(alice, BODY)
    few = services.submit(bob, {**BODY, "axes": BODY["axes"][:1]})
    for workers in (1, 4):
        Sweep.objects.update(last_claimed_at=None, state="QUEUED")
        SweepChunk.objects.update(state="QUEUED", claim_token=None)
        order = []
        while few.chunks.filter(state="QUEUED").exists():
            held = [chunk for _ in range(workers) if (chunk := claims.claim())]
            order += [chunk.sweep.owner_id for chunk in held]
            for chunk in held:
                SweepChunk.objects.filter(pk=chunk.pk).update(state="DONE")
        assert order.count(bob.pk) == 4
        assert len(order) <= 8, f"{order} with {workers} workers"


@pytest.mark.row("P9")
def test_one_worker_does_a_chunk_of_each_in_turn(alice: User, bob: User, sample_data: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(services, "_MOST_IN_CHUNK", 1)
    services.submit(alice, BODY)
    few = services.submit(bob, {**BODY, "axes": BODY["axes"][:1]})
    turns = []
    while job.run_next():
        done = SweepChunk.objects.filter(state="DONE").values_list("sweep__owner").annotate(count=Count("pk"))
        turns.append([dict(done).get(user.pk, 0) for user in (alice, bob)])
    assert len(turns) == 36 + 4
    assert [abs(hers - his) for hers, his in turns[:8]] == [1, 0] * 4, turns
    few.refresh_from_db()
    assert few.state == "DONE"


def test_workers_that_claim_at_once_never_have_the_same_chunk(alice: User, sample_data: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(services, "_MOST_IN_CHUNK", 1)
    services.submit(alice, BODY)
    taken: list[int] = []

    def worker() -> None:
        try:
            while (chunk := claims.claim()) is not None:
                taken.append(chunk.number)
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(36))


def test_a_tier_limits_combinations_and_sweeps_at_once(alice: User, sample_data: None) -> None:
    Tier.objects.filter(pk=alice.tier_id).update(max_sweep_cells=35, max_concurrent_sweeps=1)
    alice.refresh_from_db()
    with pytest.raises(QuotaExceeded) as caught:
        services.submit(alice, BODY)
    assert caught.value.extra["limit"] == "max_sweep_cells"
    small = {**BODY, "method": "random", "trials": 5}
    services.submit(alice, small)
    with pytest.raises(QuotaExceeded) as caught:
        services.submit(alice, small)
    assert caught.value.extra["limit"] == "max_concurrent_sweeps"


def test_the_api_says_which_limit_and_what_to_do(alice: User, api: Any, sample_data: None) -> None:
    Tier.objects.filter(pk=alice.tier_id).update(max_sweep_cells=35, max_concurrent_sweeps=1)
    program = api(alice)
    assert program.post("/api/sweeps/check", BODY).json()["combinations"] == 36
    refused = program.post("/api/sweeps", BODY)
    assert (refused.status_code, refused.json()["limit"]) == (403, "max_sweep_cells")
    assert "wider steps" in refused.json()["message"]
    first = program.post("/api/sweeps", {**BODY, "method": "random", "trials": 35})
    assert first.status_code == 201
    refused = program.post("/api/sweeps", {**BODY, "method": "random", "trials": 5})
    assert (refused.status_code, refused.json()["limit"]) == (403, "max_concurrent_sweeps")
    assert program.post(f"{first.headers['Location']}/cancel").status_code == 200
    assert program.post("/api/sweeps", {**BODY, "method": "random", "trials": 5}).status_code == 201
    again = program.post(f"{first.headers['Location']}/resume")
    assert (again.status_code, again.json()["limit"]) == (403, "max_concurrent_sweeps")
    assert program.get("/api/auth/me").json()["tier"]["max_sweep_cells"] == 35


def test_cautions_are_confirmed_and_keys_are_kept(alice: User, sample_data: None) -> None:
    odd = {**BODY, "axes": [{"name": "fast_window", "from": 10, "to": 100, "step": 10}]}
    with pytest.raises(Unprocessable) as caught:
        services.submit(alice, odd)
    assert [fault.path for fault in caught.value.faults] == ["axes"]
    sweep = services.submit(alice, {**odd, "confirm_cautions": True}, "key")
    assert services.submit(alice, {**odd, "confirm_cautions": True}, "key").pk == sweep.pk
    none = {**BODY, "axes": [{"name": "fast_window", "values": [100, 200]}]}
    with pytest.raises(InputError, match="No combination"):
        services.submit(alice, none)


def test_nobody_else_sees_or_touches_it(alice: User, bob: User, sample_data: None) -> None:
    sweep = services.submit(alice, BODY)
    for act in (services.cancel, services.resume, services.remove, selectors.get):
        with pytest.raises(NotFound):
            act(bob, sweep.pk)
    with pytest.raises(NotFound):
        services.open_cell(bob, sweep.pk, 0)
    with pytest.raises(InputError):
        services.open_cell(alice, sweep.pk, 36)
    with pytest.raises(NotFound):
        selectors.get(alice, uuid.uuid4())
    held = claims.claim()
    services.remove(alice, sweep.pk)
    assert not claims.beat(held)
    assert not claims.finish(held, cells.Outcome(columns.empty([0], ("sharpe",)), 0, 0), "x")
    assert not Sweep.objects.exists()
    assert not Backtest.objects.exists()
    assert backtest_services.check(alice, AAPL)[1] is None


@pytest.mark.row("H14")
def test_from_the_command_line(alice: User, sample_data: None, tmp_path: Any) -> None:
    request = tmp_path / "request.json"
    request.write_text(json.dumps(BODY))
    out = io.StringIO()
    call_command("sweep", request, user="alice", count=True, stdout=out)
    assert "36 of 36 combinations" in out.getvalue()
    assert not Sweep.objects.exists()
    call_command("sweep", request, user="alice", here=True, best=2, stdout=out)
    assert len([line for line in out.getvalue().splitlines() if "total_return_pct" in line]) == 2
    request.write_text(json.dumps({**BODY, "objective": "luck"}))
    with pytest.raises(CommandError, match="objective"):
        call_command("sweep", request, user="alice", stdout=out)
    with pytest.raises(CommandError, match="no user"):
        call_command("sweep", request, user="nobody", stdout=out)
