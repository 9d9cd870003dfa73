"""`manage.py backtest` and `manage.py strategies` as processes of their own."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from backtests import selectors
from backtests.models import Backtest

ROOT = Path(__file__).resolve().parents[2]
# No database, no Redis: what --file needs is the file.
BARE = {"DATABASE_URL": "sqlite:////nowhere/db.sqlite3", "REDIS_URL": "unix:///nowhere/r.sock"}


def manage(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *words],
        env=os.environ | (BARE if env is None else env),
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )


def write(path: Path, header: str, rows: list[Any]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return path


@pytest.fixture
def days(tmp_path: Path) -> Path:
    """300 days of two symbols that go up and down."""
    rows, day = [], date(2020, 1, 1)
    for i in range(300):
        for symbol, speed in (("UP", 25), ("DOWN", 40)):
            px = round(100 + 20 * math.sin(i / speed), 2)
            rows.append([(day + timedelta(days=i)).isoformat(), symbol, px, px + 1, px - 1, px, 1000])
    return write(tmp_path / "bars.csv", "time,symbol,open,high,low,close,volume", rows)


@pytest.mark.row("H14", "P10")
def test_a_file_is_run_without_database_and_redis(days: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = manage(
        "backtest", "--strategy", "ma_crossover", "--file", str(days), "--symbol", "UP", "--calendar", "24/7",
        "--param", "fast_window=5", "--param", "slow_window=20", "--capital", "50000", "--json", str(out),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    whole = json.loads(out.read_text())
    assert whole["starting_cash"] == 50_000
    assert len(whole["trades"]) == whole["metrics"]["trade_count"] > 0
    assert len(whole["equity"]) == 300
    assert {"trades", "open_position", "orders", "equity", "final_equity", "max_drawdown", "sharpe_daily"} <= set(whole)
    assert "Total return" in done.stdout
    assert f"{whole['final_equity']:,.2f}" in done.stdout


@pytest.mark.row("H14")
def test_given_signals_are_traded_at_the_next_open(days: Path, tmp_path: Path) -> None:
    signals = write(
        tmp_path / "signals.csv",
        "time,symbol,signal",
        [["2020-02-10", "UP", "SELL"], ["2020-02-01T00:00:00Z", "UP", "1"], ["2020-02-03", "DOWN", "buy"]],
    )
    settings = tmp_path / "s.json"
    settings.write_text(json.dumps({"position_sizing_method": "fixed", "position_size_value": 7}))
    done = manage(
        "backtest", "--file", str(days), "--calendar", "24/7", "--signals", str(signals), "--settings", str(settings),
        "--json", "-",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    whole = json.loads(done.stdout)
    (trade,) = whole["trades"]
    assert (trade["symbol"], trade["size"]) == ("UP", 7)
    assert (trade["entry_time"], trade["exit_time"]) == ("2020-02-02T00:00:00Z", "2020-02-11T00:00:00Z")
    assert [(p["symbol"], p["entry_time"]) for p in whole["open_position"]] == [("DOWN", "2020-02-04T00:00:00Z")]


@pytest.mark.row("H14")
def test_days_counts_back_from_the_last_bar(days: Path, tmp_path: Path) -> None:
    done = manage(
        "backtest", "--strategy", "buy_and_hold", "--file", str(days), "--symbol", "UP", "--days", "30", "--json", "-",
        "--calendar", "24/7",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    equity = json.loads(done.stdout)["equity"]
    assert len(equity) == 30
    assert equity[-1][0] == "2020-10-26T00:00:00Z"


@pytest.mark.row("H15")
def test_it_decides_on_days_and_matches_on_hours(tmp_path: Path) -> None:
    rows = []
    for i in range(24 * 60):
        px = round(100 + 10 * math.sin(i / 90), 2)
        moment = f"{date(2021, 3, 1) + timedelta(days=i // 24)}T{i % 24:02}:00:00Z"
        rows.append([moment, px, px + 0.5, px - 0.5, px, 10])
    file = write(tmp_path / "hours.csv", "time,open,high,low,close,volume", rows)
    common = (
        "backtest", "--file", str(file), "--symbol", "C", "--calendar", "24/7", "--timeframe", "1d",
        "--strategy", "ma_crossover", "--param", "fast_window=2", "--param", "slow_window=4", "--json", "-",
    )  # fmt: skip
    coarse, fine = manage(*common), manage(*common, "--match-timeframe", "1h")
    assert coarse.returncode == fine.returncode == 0, coarse.stderr + fine.stderr
    by_day, by_hour = json.loads(coarse.stdout), json.loads(fine.stdout)
    assert len(by_day["equity"]) == 60
    assert len(by_hour["equity"]) == 60 * 24
    assert len(by_day["trades"]) > 0
    entered = [(t["entry_time"], t["entry_price"]) for t in by_day["trades"]]
    assert entered == [(t["entry_time"], t["entry_price"]) for t in by_hour["trades"]], (
        "a day opens with its first hour"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--symbol", "UP"), "strategy: Name a strategy"),
        (("--strategy", "nope", "--symbol", "UP"), "strategy: 'nope' is not known"),
        (("--strategy", "ma_crossover", "--symbol", "ABC"), "symbol: the file holds no ABC"),
        (("--strategy", "ma_crossover", "--symbol", "UP,ABC"), "--symbol: The file has no ABC"),
        (("--strategy", "ma_crossover", "--symbol", "UP", "--param", "fast_window"), "has no ="),
        (("--strategy", "ma_crossover", "--symbol", "UP", "--param", "fast_window=x"), "strategy_parameters.fast_"),
        (("--strategy", "ma_crossover", "--symbol", "UP", "--param", "no=1"), "strategy_parameters.no"),
        (("--strategy", "ma_crossover", "--symbol", "UP", "--start", "1900-01-01"), "start_date: 1900-01-01"),
        (("--strategy", "ma_crossover", "--symbol", "UP", "--start", "2020-03-01", "--end", "2020-01-01"), "end_date"),
        (("--strategy", "ma_crossover", "--symbol", "UP", "--start", "2020-03-01", "--days", "3"), "--days"),
        (("--strategy", "ma_crossover", "--symbol", "UP", "--days", "0"), "--days"),
        (("--strategy", "ma_crossover", "--symbol", "UP", "--capital", "lots"), "--capital"),
        (("--strategy", "ma_crossover", "--symbol", "UP", "--capital", "nan"), "initial_capital"),
        (("--strategy", "ma_crossover", "--symbol", "UP", "--settings", "/nowhere.json"), "/nowhere.json"),
        (("--strategy", "ma_crossover", "--symbol", "UP", "--benchmark", "SPY"), "benchmark"),
    ],
)  # fmt: skip
def test_wrong_words_are_refused_in_plain_words(words: tuple[str, ...], said: str, days: Path) -> None:
    words = tuple("--session-settings" if word == "--settings" else word for word in words)
    with pytest.raises(CommandError) as caught:
        call_command("backtest", "--file", str(days), "--calendar", "24/7", *words)
    assert said in str(caught.value)
    assert caught.value.returncode == 2


def test_a_refusal_is_one_line_and_status_two(days: Path) -> None:
    done = manage("backtest", "--file", str(days), "--strategy", "nope", "--settings", "/nowhere.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip() == "CommandError: /nowhere.json: No such file or directory"


def test_wrong_signal_files_are_refused_by_row_and_column(days: Path, tmp_path: Path) -> None:
    signals = write(
        tmp_path / "signals.csv",
        "time,symbol,signal",
        [["2020-02-01", "UP", "2"], ["2020-02-01T09:30:00", "UP", "1"], ["soon", "UP", "1"], ["2020-02-01", "X", "1"],
         ["2020-02-05", "UP", "1"], ["2020-02-05", "UP", "1"]],
    )  # fmt: skip
    done = manage("backtest", "--file", str(days), "--calendar", "24/7", "--signals", str(signals))
    assert done.returncode == 2
    for place in (
        "row 2, column signal",
        "row 3, column time",
        "row 4, column time",
        "row 5, column symbol",
        "row 7, column time",
    ):
        assert place in done.stderr
    headless = write(tmp_path / "headless.csv", "when,what", [["2020-02-01", "1"]])
    done = manage("backtest", "--file", str(days), "--calendar", "24/7", "--signals", str(headless))
    assert done.returncode == 2
    assert "column time" in done.stderr


@pytest.mark.row("H14")
def test_stored_prices_give_what_the_worker_gives(
    alice: User, run_now: Callable[..., Backtest], service_env: dict[str, str], tmp_path: Path
) -> None:
    stored = run_now(alice, strategy_parameters={"fast_window": 7})
    done = manage(
        "backtest", "--strategy", "ma_crossover", "--symbol", "AAPL", "--start", "2003-01-01", "--end", "2012-12-31",
        "--param", "fast_window=7", "--json", "-",
        env=service_env,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads("".join(selectors.export(stored)))


@pytest.mark.row("H14")
def test_the_catalogue_is_listed_with_its_parameters() -> None:
    done = manage("strategies")
    assert done.returncode == 0, done.stderr
    assert "ma_crossover" in done.stdout
    assert "--param fast_window=10" in done.stdout
    assert manage("strategies", "nope").returncode == 2
