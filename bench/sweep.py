"""`python -m bench.sweep`: a sweep over 98,280 bars, its engine time, and how it scales over worker processes.

First the engine's part alone: combinations of settings over signals that are made once each, on two threads. Then whole
sweeps through real Celery workers, on a database and a Redis of their own: 1, 2 and 4 processes, and the most of them
with one killed mid-way. Ratios are of one run on one machine; more processes than processors cannot help. Last, what a
worker holds after 1,000 combinations, and after ten times as many.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests import servers

ROOT = Path(__file__).resolve().parents[1]
THREADS = 2
LIMIT_S = 20.0  # of engine time, for 10,000 combinations
SIGNALS = 40
BODY: dict[str, Any] = {
    "backtest": {
        "strategy": "ma_crossover",
        "symbols": ["SYN-AAPL"],
        "timeframe": "1m",
        "source": "synthetic",
        "start_date": "2023-01-03",
        "end_date": "2023-12-29",
        "settings": {"allow_fractional": True},
    },
    "axes": [
        {"name": "fast_window", "from": 5, "to": 24, "step": 1},
        {"name": "stop_loss_pct", "of": "setting", "from": 0.5, "to": 5, "step": 0.5},
        {"name": "take_profit_pct", "of": "setting", "from": 1, "to": 5, "step": 1},
    ],
    "objective": "total_return_pct",
    "confirm_cautions": True,
}


def engine(combinations: int) -> dict[str, float]:
    """Seconds of engine time on two threads, and of making the signals, for `combinations` over a year of minutes."""
    from bench.data import YEAR_OF_MINUTES, minute_bars
    from bench.work import Work
    from engine import Costs, Rules, simulate_many

    bars = minute_bars("X", YEAR_OF_MINUTES)
    began = time.perf_counter()
    made = [Work(fast=3 + k % 20, slow=30 + k // 20 * 30).strategy().signals(bars) for k in range(SIGNALS)]
    signals_s = time.perf_counter() - began
    each = combinations // SIGNALS
    stops = [(0.1 + 0.05 * (k % 16), 0.3 + k / 50) for k in range(each)]  # near enough to be met within a trade
    rules = [Rules(stop_loss_pct=stop, take_profit_pct=target) for _ in range(SIGNALS) for stop, target in stops]
    began, used = time.perf_counter(), time.process_time()
    rows = simulate_many(
        {"X": bars},
        signals=[signals for signals in made for _ in range(each)],
        rules=rules,
        costs=Costs(),
        names=("total_return_pct", "sharpe", "max_drawdown_pct", "trade_count", "final_equity"),
        threads=THREADS,
    )
    engine_s, cpu_s = time.perf_counter() - began, time.process_time() - used
    if len({row["final_equity"] for row in rows}) < len(rows) // 4:
        raise SystemExit("most combinations gave the same answer: the grid does no work")
    return {"combinations": len(rows), "engine_s": engine_s, "cpu_s": cpu_s, "signals_s": signals_s, "signals": SIGNALS}


LARGE = {  # 10,000 combinations; BODY has 1,000
    **BODY,
    "axes": [*BODY["axes"], {"name": "trailing_stop_pct", "of": "setting", "from": 1, "to": 10, "step": 1}],
}


def workers(counts: Sequence[int]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(one sweep for each number of processes and one with a process killed, what a worker holds)."""
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(
            ENV_FILE=os.devnull,
            VAR_DIR=home,
            SECRET_KEY="only-for-the-bench-" + "k" * 40,
            DATABASE_URL=f"sqlite:///{home}/db.sqlite3",
            REDIS_URL=servers.start_valkey(Path(home)),
            BACKTEST_STALE_SECONDS="3",
            DJANGO_SETTINGS_MODULE="tradingsite.settings",
        )
        os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / "var" / "numba"))
        import django

        django.setup()
        from django.core.management import call_command

        from accounts.models import Tier, User

        call_command("migrate", verbosity=0)
        call_command("load_sample_data", verbosity=0)
        Tier.objects.update(max_sweep_cells=None, max_concurrent_sweeps=None, max_backtest_bars=None)
        user = User.objects.create(username="bench", email="bench@localhost.invalid")
        cases = [(count, False) for count in counts] + [(counts[-1], True)]
        table = [_sweep(user, processes, Path(home), kill=kill) for processes, kill in cases]
        return table, _memory(user, Path(home))


def _sweep(user: Any, processes: int, home: Path, *, kill: bool) -> dict[str, Any]:
    from backtests.sweeps import selectors, services, tasks

    started = [_worker(k, home) for k in range(processes)]
    try:
        # A small one first: every process has loaded what it needs and read the bars' kernels.
        _finish(services.submit(user, {**BODY, "method": "random", "trials": 20 * processes}), tasks.reap)
        sweep = services.submit(user, LARGE)
        if kill:
            while not sweep.chunks_done:
                time.sleep(0.1)
                sweep.refresh_from_db()
            os.killpg(started[0].pid, signal.SIGKILL)
        _finish(sweep, tasks.reap)
    finally:
        for worker in started:
            _end(worker)
    cells = selectors.rows(sweep)["cell"].tolist()
    return {
        "processes": processes,
        "killed": kill,
        "state": sweep.state,
        "seconds": (sweep.finished_at - sweep.started_at).total_seconds(),
        "engine_s": sweep.engine_s,
        "each_once": cells == list(range(sweep.cells_total)) and sweep.cells_done == sweep.cells_total,
    }


def _memory(user: Any, home: Path) -> list[dict[str, Any]]:
    """One worker: the most that its process ever held, after each of two sweeps over the same bars."""
    from backtests.sweeps import services, tasks

    worker = _worker(0, home)
    rows = []
    try:
        _finish(services.submit(user, {**BODY, "method": "random", "trials": 20}), tasks.reap)
        for body in (BODY, LARGE):
            sweep = services.submit(user, body)
            _finish(sweep, tasks.reap)
            sizes = sweep.chunks.values_list("cells", flat=True)
            row = {"combinations": sweep.cells_total, "in_a_chunk": max(sizes), "peak_mb": _peak_mb(worker.pid)}
            rows.append(row | {"state": sweep.state})
    finally:
        _end(worker)
    return rows


def _peak_mb(parent: int) -> float:
    """The most resident memory (VmHWM) that a child of the worker ever had, in 10⁶ bytes."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    statuses = [Path(f"/proc/{child}/status").read_text() for child in children]
    lines = [line for status in statuses for line in status.splitlines() if line.startswith("VmHWM")]
    return max(int(line.split()[1]) for line in lines) * 1024 / 1e6


def _end(worker: subprocess.Popen[bytes]) -> None:
    if worker.poll() is None:
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def _worker(k: int, home: Path) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "celery", "-q", "-A", "tradingsite", "worker", "-n", f"sweep{k}@bench"]
    argv += ["-Q", "sweeps", "-P", "prefork", "-c", "1", "-l", "WARNING"]
    argv += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    with (home / f"worker-{k}.log").open("ab") as log:
        return subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)


def _finish(sweep: Any, reap: Any) -> None:
    """Wait for its end, with the ticks that beat would send."""
    while sweep.is_active:
        time.sleep(0.2)
        reap()
        sweep.refresh_from_db()


def show(part: dict[str, float], table: list[dict[str, Any]], memory: list[dict[str, Any]], limit_s: float) -> None:
    verdict = "reached" if part["engine_s"] <= limit_s else "MISSED"
    what = f"{part['combinations']:,} combinations × 98,280 bars on {THREADS} threads"
    print(f"{what}: {part['engine_s']:.1f} s of engine, limit {limit_s:.1f}: {verdict}")
    print(f"  {part['cpu_s']:.1f} s of processor time: {part['cpu_s'] / THREADS:.1f} s where nothing else runs")
    print(f"  {part['signals']} distinct signals, made once each: {part['signals_s']:.2f} s beside")
    print("processes  killed  seconds  × one  state  each combination once")
    for row in table:
        ratio = table[0]["seconds"] / row["seconds"]
        killed = "one" if row["killed"] else "-"
        cells = f"{row['processes']:9d}  {killed:>6}  {row['seconds']:7.1f}  {ratio:5.2f}"
        print(f"{cells}  {row['state']:>5}  {'yes' if row['each_once'] else 'NO'}")
    print("combinations  in a chunk  most memory of the worker")
    for row in memory:
        print(f"{row['combinations']:12,d}  {row['in_a_chunk']:10d}  {row['peak_mb']:.0f} MB")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m bench.sweep", description=__doc__)
    options.add_argument("--combinations", type=int, default=10_000, help="of the engine's part")
    options.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    options.add_argument("--engine-only", action="store_true", help="print the engine's part as JSON and end")
    options.add_argument("--out", type=Path, default=Path("bench-out"), help="directory of the JSON file")
    chosen = options.parse_args()
    part = engine(chosen.combinations)
    if chosen.engine_only:
        print(json.dumps(part))
        return 0
    table, memory = workers(chosen.processes)
    limit_s = LIMIT_S * part["combinations"] / 10_000
    show(part, table, memory, limit_s)
    chosen.out.mkdir(parents=True, exist_ok=True)
    report = {"engine": part, "scaling": table, "memory": memory, "load": os.getloadavg(), "processors": os.cpu_count()}
    (chosen.out / f"sweep-{int(time.time())}.json").write_text(json.dumps(report, indent=1) + "\n")
    held = all(row["state"] == "DONE" and row["each_once"] for row in table)
    held &= all(row["state"] == "DONE" for row in memory)
    return 0 if held and part["engine_s"] <= limit_s else 1


if __name__ == "__main__":
    sys.exit(main())
