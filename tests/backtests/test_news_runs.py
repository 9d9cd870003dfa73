"""Backtests of strategies that read more than bars: given the news, refused without quotes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from backtests.models import Backtest, PerformanceRecord
from backtests.runner.config import clean
from backtests.runner.execute import run
from engine.errors import InputError
from marketdata.news import services as news
from marketdata.news.base import Item
from tests.backtests.conftest import AAPL
from tests.strategies.series import walk

MADE_OF_NEWS = {"strategy": "sentiment", "start_date": "2005-01-03", "end_date": "2005-03-31"}


def tell(owner: User | None, *items: tuple[str, float]) -> None:
    news.store(
        owner,
        [
            Item("AAPL", datetime.fromisoformat(f"{day}T15:00:00").replace(tzinfo=UTC), f"Of {day}", score=score)
            for day, score in items
        ],
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.row("D8", "G18")
def test_a_run_reads_the_news_that_its_owner_sees(run_now: Callable[..., Backtest], alice: User, bob: User) -> None:
    tell(None, ("2005-01-10", 0.8))
    tell(alice, ("2005-02-01", -0.8))
    tell(bob, ("2005-01-20", -0.9))
    done = run_now(alice, **MADE_OF_NEWS)
    assert done.state == "DONE", done.failure_reason
    trades = PerformanceRecord.objects.get(backtest=done).trades
    assert [(trade["entry_time"][:10], trade["exit_time"][:10]) for trade in trades] == [("2005-01-11", "2005-02-02")]
    again = run_now(alice, **MADE_OF_NEWS)
    assert (again.data_hash, again.result_hash) == (done.data_hash, done.result_hash)
    tell(alice, ("2005-03-01", 0.1))
    assert run_now(alice, **MADE_OF_NEWS).data_hash != done.data_hash, "other news are other data"


@pytest.mark.django_db
@pytest.mark.row("D13")
def test_a_strategy_whose_data_nobody_has_is_refused_and_says_so(
    sample_data: None, api: Any, client: Client, alice: User
) -> None:
    answer = api(alice).post("/api/backtest/run", AAPL | {"strategy": "microstructure"})
    assert answer.status_code == 400
    fault = answer.json()["errors"][0]
    assert (fault["path"], fault["code"]) == ("strategy", "unavailable")
    body = {"mode": "PAPER", "initial_cash": 10_000, "symbols": ["SIM-ALPHA"], "strategy": "microstructure"}
    refused = api(alice).post("/api/trading/sessions/start", body | {"timeframe": "1m", "feed": "synthetic"})
    assert refused.status_code == 400
    assert "unavailable" in {fault["code"] for fault in refused.json()["errors"]}
    declared = {one["slug"]: one for one in api(alice).get("/api/backtest/strategies").json()["strategies"]}
    assert "no source here stores any" in declared["microstructure"]["unavailable"]
    assert (declared["sentiment"]["needs"], declared["sentiment"]["unavailable"]) == (["news"], "")
    assert declared["ma_crossover"]["needs"] == []
    client.force_login(alice)
    for address in ("/strategies/catalogue/microstructure/", "/backtests/new/?strategy=microstructure"):
        assert "Unavailable here." in client.get(address).content.decode()
    assert "Unavailable here." not in client.get("/strategies/catalogue/sentiment/").content.decode()
    assert "/data/news/" in client.get("/backtests/new/?strategy=sentiment").content.decode()


@pytest.mark.row("D13")
def test_bars_that_carry_quotes_can_be_run() -> None:
    bars = walk(300)
    config = clean({"strategy": "microstructure", "strategy_parameters": {"window": 1}, "symbols": ["WALK"]})
    with pytest.raises(InputError, match="come without bid"):
        run(config, {"WALK": bars})
    sizes = {"bid_size": [30.0, 10.0] * 150, "ask_size": [10.0, 30.0] * 150}
    quoted = bars.with_extras({"bid": bars.close * 0.9999, "ask": bars.close * 1.0001, **sizes})
    assert len(run(config, {"WALK": quoted}).engine.fills) > 250, "it buys on one bar and sells on the next"


@pytest.mark.django_db
@pytest.mark.row("D8", "H14")
def test_the_command_line_reads_news_from_a_file(tmp_path: Path) -> None:
    days = [f"2020-01-{day:02d}" for day in range(1, 29)]
    (tmp_path / "bars.csv").write_text("time,open,high,low,close\n" + "".join(f"{day},10,11,9,10\n" for day in days))
    (tmp_path / "news.csv").write_text(
        "published_at,title\n2020-01-10T12:00:00Z,Apple beats estimates\n2020-01-20T12:00:00Z,Apple sued over fraud\n"
    )
    words = {"file": tmp_path / "bars.csv", "symbol": ["AAPL"], "strategy": "sentiment", "calendar": "24/7"}
    out = tmp_path / "out.json"
    call_command("backtest", **words, news=tmp_path / "news.csv", json=out)
    trade = json.loads(out.read_text())["trades"][0]
    assert (trade["entry_time"][:10], trade["exit_time"][:10]) == ("2020-01-11", "2020-01-21")
    with pytest.raises(CommandError, match="come without news"):
        call_command("backtest", **words)
    (tmp_path / "news.csv").write_text("published_at,title\n2020-01-10,No time of day\n")
    with pytest.raises(CommandError, match="row 2, column published_at"):
        call_command("backtest", **words, news=tmp_path / "news.csv")
