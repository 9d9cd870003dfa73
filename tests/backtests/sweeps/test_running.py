"""The rows of a sweep: every way from QUEUED to an end, and every cell counted once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from accounts.models import User
from backtests.models import Sweep, SweepChunk
from backtests.proof import trials
from backtests.runner import clean as clean_run
from backtests.sweeps import cells, claims, drawing, job, selectors, services
from backtests.sweeps.request import clean
from tests.backtests.sweeps.rig import BODY, made, run_all
from tradingsite.lib.errors import Conflict

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.row("H16")]


def test_a_sweep_runs_through_and_every_cell_is_counted_once(alice: User, sample_data: None) -> None:
    sweep = services.submit(alice, BODY)
    assert (sweep.state, sweep.cells_total) == ("QUEUED", 36)
    run_all()
    sweep.refresh_from_db()
    assert (sweep.state, sweep.cells_done, sweep.chunks_done) == ("DONE", 36, sweep.chunks_total)
    rows = selectors.rows(sweep)
    assert rows["cell"].tolist() == list(range(36))
    tried = 36 - int(rows["refused"].sum())
    assert trials.counted(alice, trials.key_of("sample", ["AAPL"])) == tried, "what luck is measured by"
    top = selectors.best(sweep, 3)
    assert top[0]["cell"] == sweep.best["cell"]
    assert top[0]["values"]["total_return_pct"] == np.nanmax(rows["total_return_pct"])

    # the best one, opened as a backtest, says the same
    backtest = services.open_cell(alice, sweep.pk, top[0]["cell"])
    assert services.open_cell(alice, sweep.pk, top[0]["cell"]).pk == backtest.pk
    from backtests import job as backtest_job

    backtest_job.run(backtest.pk)
    backtest.refresh_from_db()
    assert backtest.total_return_pct == top[0]["values"]["total_return_pct"]
    assert backtest.parameters["fast_window"] == top[0]["parameters"]["fast_window"]
    assert backtest.settings["stop_loss_pct"] == top[0]["settings"]["stop_loss_pct"]
    saved = services.save_cell(alice, sweep.pk, top[0]["cell"], "The best of 36")
    assert saved.parameters["slow_window"] == top[0]["parameters"]["slow_window"]


def test_a_reader_gets_every_cell_once_while_it_runs(alice: User, sample_data: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(services, "_MOST_IN_CHUNK", 6)
    monkeypatch.setattr(selectors, "MOST_CHUNKS", 2)
    sweep = services.submit(alice, BODY)
    seen, after = [], 0
    while True:
        more = job.run_next()
        got = selectors.cells(sweep, after)
        seen += got["cell"]
        after = got["after"]
        if not more:
            break
    assert sorted(seen) == list(range(36))


@pytest.mark.parametrize(("method", "trials"), [("random", 12), ("bayesian", 20)])
def test_the_other_methods_run_through(alice: User, sample_data: None, method: str, trials: int) -> None:
    sweep = services.submit(alice, {**BODY, "method": method, "trials": trials})
    run_all()
    sweep.refresh_from_db()
    assert (sweep.state, sweep.cells_done) == ("DONE", trials)
    assert len(set(selectors.rows(sweep)["cell"].tolist())) == trials


def test_bayesian_rounds_wait_for_each_other(alice: User, sample_data: None) -> None:
    sweep = services.submit(alice, {**BODY, "method": "bayesian", "trials": 36})
    states = list(sweep.chunks.order_by("number").values_list("state", flat=True))
    assert states == ["QUEUED"] * 4 + ["WAITING"]
    held = [claims.claim() for _ in range(4)]
    assert all(held)
    assert claims.claim() is None
    for chunk in held:
        claims.release(chunk)
    run_all()
    sweep.refresh_from_db()
    assert sweep.state == "DONE"


def test_cancel_keeps_what_is_done_and_resume_runs_what_is_missing(
    alice: User, sample_data: None, monkeypatch: Any
) -> None:
    monkeypatch.setattr(services, "_MOST_IN_CHUNK", 6)
    sweep = services.submit(alice, BODY)
    run_all(2)
    held = claims.claim()
    services.cancel(alice, sweep.pk)
    assert not claims.beat(held), "the worker hears it"
    claims.release(held)
    assert claims.claim() is None
    sweep.refresh_from_db()
    assert (sweep.state, sweep.cells_done) == ("CANCELED", 12)
    services.resume(alice, sweep.pk)
    with pytest.raises(Conflict):
        services.resume(alice, sweep.pk)
    run_all()
    sweep.refresh_from_db()
    assert (sweep.state, sweep.cells_done) == ("DONE", 36)
    assert selectors.rows(sweep)["cell"].tolist() == list(range(36))


def test_a_dead_workers_chunk_is_taken_over_and_its_late_result_not_counted(
    alice: User, sample_data: None, monkeypatch: Any, settings: Any
) -> None:
    monkeypatch.setattr(services, "_MOST_IN_CHUNK", 18)
    sweep = services.submit(alice, BODY)
    dead = claims.claim()
    config = clean(sweep.config, clean_run)
    late = cells.run(config, drawing.chunk_cells(config, dead.number, 18), made())
    assert claims.release_stale() == 0, "it beats"
    SweepChunk.objects.filter(pk=dead.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    assert claims.release_stale() == 1
    run_all()
    assert not claims.finish(dead, late, "another")
    sweep.refresh_from_db()
    assert (sweep.state, sweep.cells_done) == ("DONE", 36)

    # one that kills every worker fails the sweep instead of going round for ever
    sweep = services.submit(alice, BODY)
    for _ in range(claims.MAX_ATTEMPTS):
        assert claims.claim()
        SweepChunk.objects.filter(state="RUNNING").update(heartbeat_at=timezone.now() - timedelta(minutes=1))
        claims.release_stale()
    sweep.refresh_from_db()
    assert (sweep.state, sweep.failure_code) == ("FAILED", "worker_lost")


def test_changed_prices_fail_it(alice: User, sample_data: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(services, "_MOST_IN_CHUNK", 18)
    sweep = services.submit(alice, BODY)
    run_all(1)
    Sweep.objects.filter(pk=sweep.pk).update(data_hash="of other prices")
    run_all(1)
    sweep.refresh_from_db()
    assert (sweep.state, sweep.failure_code, sweep.cells_done) == ("FAILED", "data_changed", 18)
    with pytest.raises(Conflict):
        services.resume(alice, sweep.pk)
