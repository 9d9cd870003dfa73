"""Sweeps: what is asked, which combinations are run, what each gives, who runs them, and how they end and go on."""

from __future__ import annotations

import io
import json
import math
import threading
import uuid
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.models import Tier, User
from backtests import services as backtest_services
from backtests.models import Backtest, Sweep, SweepChunk
from backtests.proof import trials
from backtests.runner import clean as clean_run
from backtests.runner import execute
from backtests.sweeps import cells, claims, columns, drawing, job, selectors, services
from backtests.sweeps.request import SweepConfig, clean, run_of
from engine import Bars
from engine.errors import InputError
from tests.backtests.conftest import AAPL
from tradingsite.lib.errors import Conflict, NotFound, QuotaExceeded, Unprocessable

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.row("H16")]

BODY: dict[str, Any] = {
    "backtest": AAPL,
    "axes": [
        {"name": "fast_window", "from": 5, "to": 20, "step": 5},
        {"name": "stop_loss_pct", "of": "setting", "values": [None, 2, 5]},
        {"name": "slow_window", "from": 15, "to": 45, "step": 15},
    ],
    "objective": "total_return_pct",
}


def made(seed: int = 3, n: int = 900) -> dict[str, Bars]:
    """A walk that trades often under short windows."""
    close = 50.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.012, n)))
    high, low = close * 1.01, close * 0.99
    ts = np.arange(n, dtype=np.int64) * 86_400_000_000_000
    volume = np.full(n, 1e6)
    return {"AAPL": Bars.from_arrays("AAPL", "1d", ts, close, high, low, close, volume, calendar="24/7")}


def read(**changes: Any) -> SweepConfig:
    return clean({**BODY, **changes}, clean_run)


def run_all(limit: int = 1_000) -> int:
    """Does chunks in this process until none is queued."""
    done = 0
    while done < limit and job.run_next():
        done += 1
    return done


def faults(**changes: Any) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        read(**changes)
    return {fault.path: fault.code for fault in caught.value.faults}


# --- What is asked ----------------------------------------------------------------------------------------------------
def test_a_request_is_read_and_reads_itself_again() -> None:
    config = read()
    assert [axis.name for axis in config.space.axes] == ["fast_window", "slow_window", "stop_loss_pct"]
    assert config.cells == 4 * 3 * 3
    assert config.space.settings_only == 3
    assert clean(config.as_dict(), clean_run) == config
    assert len({config.space.number(config.space.places(cell)) for cell in range(36)}) == 36
    assert read(axes=[{"name": "stop_loss_pct", "of": "setting", "from": 0.1, "to": 0.5, "step": 0.1}]).space.axes[
        0
    ].values == (0.1, 0.2, 0.3, 0.4, 0.5)


def test_faults_name_their_place() -> None:
    assert faults(axes=[{"name": "nothing", "from": 1, "to": 2}]) == {"axes[0].name": "unknown_choice"}
    assert faults(axes=[{"name": "fast_window", "from": 9, "to": 2}]) == {"axes[0].to": "out_of_range"}
    assert faults(axes=[{"name": "fast_window", "from": 2, "to": 9, "step": 0}]) == {"axes[0].step": "out_of_range"}
    assert faults(axes=[{"name": "fast_window", "values": [5, 5]}]) == {"axes[0].values[1]": "conflict"}
    assert faults(axes=[{"name": "fast_window", "values": [5.5]}]) == {"axes[0].values[0]": "wrong_type"}
    assert faults(axes=[{"name": "fast_window", "from": True, "to": 9}]) == {"axes[0].from": "not_a_number"}
    assert faults(axes=[{"name": "fast_window", "from": float("nan"), "to": 9}]) == {"axes[0].from": "not_a_number"}
    assert faults(axes=[{"name": "fast_window", "values": [5]}] * 2) == {"axes[1].name": "conflict"}
    assert faults(axes=[{"name": "risk_free_rate_pct", "of": "setting", "values": [1]}]) == {
        "axes[0].name": "unknown_choice"
    }
    assert faults(backtest={**AAPL, "symbols": []}) == {"backtest.symbols": "required"}
    assert faults(backtest={**AAPL, "symbols": ["AAPL", "IBM"], "symbols_alone": True}) == {
        "backtest.symbols_alone": "conflict"
    }
    assert faults(method="random") == {"trials": "required"}
    assert faults(method="bayesian", trials=1e9) == {"trials": "out_of_range"}
    assert faults(objective="luck", constraints={"min_trades": -1, "x": 1}) == {
        "objective": "unknown_choice",
        "constraints.min_trades": "out_of_range",
        "constraints.x": "unknown_field",
    }
    assert faults(axes=None, wrong=1) == {"axes": "required", "wrong": "unknown_field"}


# --- Which combinations -----------------------------------------------------------------------------------------------
def test_a_grid_and_random_draws_take_each_combination_once() -> None:
    grid = read()
    drawn = [cell for k in range(4) for cell in drawing.chunk_cells(grid, k, 10)]
    assert drawn == list(range(36))
    random = read(method="random", trials=20, seed=4)
    drawn = [cell for k in range(3) for cell in drawing.chunk_cells(random, k, 8)]
    assert len(set(drawn)) == 20
    assert set(drawn) <= set(range(36))
    assert drawn != [cell for k in range(3) for cell in drawing.chunk_cells(read(method="random", trials=20), k, 8)]
    huge = read(
        method="random",
        trials=5,
        axes=[
            {"name": "fast_window", "from": 2, "to": 400, "step": 1},
            {"name": "slow_window", "from": 3, "to": 500, "step": 1},
            {"name": "stop_loss_pct", "of": "setting", "from": 0.1, "to": 90, "step": 0.1},
            {"name": "take_profit_pct", "of": "setting", "from": 0.1, "to": 90, "step": 0.1},
        ],
    )
    assert len(huge.space) > 10**11
    assert len(drawing.chunk_cells(huge, 0, 5)) == 5


def test_bayesian_draws_are_the_same_for_every_worker_and_find_the_hill() -> None:
    """Told a hill's height instead of a market's, most later draws stand near its top; blind ones would not."""
    axes = [
        {"name": "fast_window", "from": 2, "to": 61, "step": 1},
        {"name": "slow_window", "from": 62, "to": 121, "step": 1},
    ]
    config = read(method="bayesian", trials=96, axes=axes, seed=11)
    rows = columns.empty((), config.metrics)

    def height(cell: int) -> float:
        fast, slow = config.space.places(cell)
        return -math.hypot(fast - 40, slow - 20)

    for first in range(0, 12, drawing.ROUND):
        parts = [drawing.chunk_cells(config, k, 8, rows) for k in range(first, first + drawing.ROUND)]
        assert parts[2] == drawing.chunk_cells(config, first + 2, 8, rows)
        cells_of_round = [cell for part in parts for cell in part]
        fresh = columns.empty(cells_of_round, config.metrics)
        fresh["total_return_pct"] = [height(cell) for cell in cells_of_round]
        rows = np.concatenate([rows, fresh])
    assert len(set(rows["cell"].tolist())) == 96
    blind, told = rows["total_return_pct"][:20], rows["total_return_pct"][64:]
    assert np.median(told) > np.median(blind) / 2
    assert rows["total_return_pct"].max() > -4


# --- What each gives --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("benchmark", [False, True])
def test_a_cell_is_the_run_alone_to_the_last_bit(benchmark: bool) -> None:
    bars = made()
    config = read(objective="alpha_pct")
    held = made(9)["AAPL"] if benchmark else None
    outcome = cells.run(config, range(config.cells), bars, benchmark=held)
    assert not outcome.rows["refused"].all()
    assert outcome.rows["refused"].any(), "fast 20 over slow 15 is no crossover"
    for row in outcome.rows:
        parameters, settings = config.space.values(int(row["cell"]))
        if row["refused"]:
            with pytest.raises(InputError):
                run_of(config, parameters, settings)
            continue
        alone = execute.run(run_of(config, parameters, settings), bars, benchmark=held).figures
        for name in config.metrics:
            expected = alone[name]
            assert row[name] == expected if expected is not None else np.isnan(row[name]), (row["cell"], name)
    assert len(set(outcome.rows["trade_count"][~outcome.rows["refused"]].tolist())) > 3


def test_two_symbols_with_gaps_too() -> None:
    aapl, other = made()["AAPL"], made(5)["AAPL"]
    keep = np.arange(len(other)) % 7 != 3
    ibm = Bars.from_arrays(
        "IBM",
        "1d",
        *(getattr(other, n)[keep] for n in ("ts", "open", "high", "low", "close", "volume")),
        calendar="24/7",
    )
    config = read(backtest={**AAPL, "symbols": ["IBM", "AAPL"], "settings": {"max_open_positions": 1}})
    bars = {"AAPL": aapl, "IBM": ibm}
    outcome = cells.run(config, [0, 1, 2, 13], bars)
    for row in outcome.rows:
        alone = execute.run(run_of(config, *config.space.values(int(row["cell"]))), bars).figures
        assert all(alone[name] == row[name] for name in ("final_equity", "sharpe", "max_drawdown_pct", "trade_count"))


def test_infeasible_cells_are_kept_and_never_the_best() -> None:
    rows = columns.empty([4, 2, 9, 7], ("sharpe", "trade_count", "max_drawdown_pct"))
    rows["sharpe"] = [3.0, np.nan, 1.0, 1.0]
    rows["trade_count"], rows["max_drawdown_pct"] = [2, 50, 50, 50], [1, 1, 5, 5]
    config = {"objective": "sharpe", "better": "higher", "constraints": {"min_trades": 10, "max_drawdown_pct": 20}}
    assert [int(rows["cell"][k]) for k in columns.order(rows, config)] == [7, 9, 2, 4]


# --- The rows ---------------------------------------------------------------------------------------------------------
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


# --- Limits and strangers ---------------------------------------------------------------------------------------------
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
