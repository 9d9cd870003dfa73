"""Strategies over several symbols through the API, the page and the command line: what they ask, what comes out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from backtests import job
from backtests.models import Backtest
from backtests.runner import clean
from backtests.runner.execute import run
from tests.backtests.conftest import AAPL
from tests.backtests.test_cli import manage, write
from tests.strategies.panels import basket, couple, real_closes, venues

Run = Callable[..., Backtest]
Api = Callable[[User | None], APIClient]
PAIR = {
    **AAPL,
    "strategy": "pairs",
    "symbols": ["MSFT", "IBM"],
    "strategy_parameters": {"lookback": 120, "max_p": 0},
    "settings": {"allow_short": True},
}


def result_of(strategy: str, bars: dict[str, Any], settings: dict[str, Any] | None = None, **parameters: Any) -> Any:
    config = clean(
        {
            "strategy": strategy,
            "strategy_parameters": parameters,
            "symbols": list(bars),
            "settings": {"allow_short": True, "max_position_size_pct": 100} | (settings or {}),
            "source": "file",
            "timeframe": next(iter(bars.values())).timeframe,
        }
    )
    return run(config, bars)


@pytest.mark.row("D10", "B9")
def test_a_pair_is_run_and_its_legs_come_back_as_one_trade(alice: User, api: Api, sample_data: None) -> None:
    client = api(alice)
    answer = client.post("/api/backtest/run", PAIR, format="json")
    assert answer.status_code == 202, answer.content
    key = answer.json()["id"]
    job.run(key)
    done = client.get(answer["Location"]).json()
    assert done["state"] == "DONE", done["failure_reason"]
    whole = json.loads(b"".join(client.get(f"{answer['Location']}/result").streaming_content))
    spreads = whole["spread_trades"]
    assert len(spreads) > 20
    assert sum(trade["pnl_net"] for trade in spreads) == pytest.approx(sum(t["pnl_net"] for t in whole["trades"]))
    legs = [leg for trade in spreads for leg in trade["legs"] if leg["exit_time"]]
    assert len(legs) == len(whole["trades"])
    for trade in spreads:
        assert [leg["symbol"] for leg in trade["legs"]] == ["IBM", "MSFT"]
        assert {leg["side"] for leg in trade["legs"]} == {"long", "short"}
        assert len({leg["entry_time"] for leg in trade["legs"]}) == 1
    assert [trade["entry_time"] for trade in spreads] == sorted(trade["entry_time"] for trade in spreads)

    page = Client()
    page.force_login(alice)
    html = page.get(f"/backtests/{key}/").content.decode()
    assert "Trades of several legs" in html
    assert re.search(r"(Long|Short) [\d,]+ IBM at", html)


@pytest.mark.row("D10", "D11", "A8")
def test_what_does_not_fit_is_refused_at_its_field(alice: User, api: Api, sample_data: None) -> None:
    client = api(alice)

    def faults(**changes: Any) -> dict[str, str]:
        answer = client.post("/api/backtest/run", {**PAIR, **changes}, format="json")
        assert answer.status_code == 400, answer.content
        return {fault["path"]: f"{fault['message']} {fault['hint']}" for fault in answer.json()["errors"]}

    assert "Pairs trading trades 2 symbols together, not 1" in faults(symbols=["IBM"])["symbols"]
    assert "Name 3 to 20 symbols." in faults(strategy="stat_arb", strategy_parameters={})["symbols"]
    assert "none of them can be run alone" in faults(symbols_alone=True)["symbols_alone"]
    assert "Set allow_short to true" in faults(settings={})["settings.allow_short"]
    assert "set leg_pct to 5 at most" in faults(preset="conservative")["settings.max_position_size_pct"]
    assert set(faults(symbols=["IBM"], symbols_alone=True, settings={})) == {
        "symbols", "symbols_alone", "settings.allow_short",
    }  # fmt: skip


@pytest.mark.row("D10")
def test_the_form_says_how_many_symbols_it_takes(alice: User, sample_data: None) -> None:
    page = Client()
    page.force_login(alice)
    part = page.get("/backtests/new/part/", {"strategy": "pairs"})
    assert part.status_code == 200
    assert "It trades 2 symbols together." in part.content.decode()
    assert "together" not in page.get("/backtests/new/part/", {"strategy": "momentum"}).content.decode()
    entry = page.get("/strategies/catalogue/pairs/").content.decode()
    assert "It trades 2 symbols together." in entry
    sent = {"strategy": "pairs", "symbols": ["IBM"], "parameters_of": "pairs", "preset": "standard"}
    refused = page.post("/backtests/new/", sent)
    assert refused.status_code == 400
    assert "Pairs trading trades 2 symbols together, not 1." in refused.content.decode()


@pytest.mark.row("D10", "H14", "P10")
def test_the_command_line_runs_a_pair_from_a_file(tmp_path: Path) -> None:
    rows = [
        [(date(2020, 1, 1) + timedelta(days=day)).isoformat(), symbol, *[f"{px:.2f}"] * 4, 1000]
        for symbol, series in couple(500).items()
        for day, px in enumerate(series.close.tolist())
    ]
    file = write(tmp_path / "pair.csv", "time,symbol,open,high,low,close,volume", rows)
    settings = write(tmp_path / "unused.csv", "a", []).with_suffix(".json")
    settings.write_text('{"allow_short": true}')
    common = ("backtest", "--strategy", "pairs", "--file", str(file), "--calendar", "24/7", "--symbol", "Y")
    done = manage(*common, "--symbol", "X", "--settings", str(settings), "--param", "lookback=60", "--json", "-")
    assert done.returncode == 0, done.stderr
    spreads = json.loads(done.stdout)["spread_trades"]
    assert len(spreads) > 3
    assert all({leg["symbol"] for leg in trade["legs"]} == {"X", "Y"} for trade in spreads)
    alone = manage(*common, "--settings", str(settings))
    assert alone.returncode == 2
    assert "trades 2 symbols together, not 1" in alone.stderr


@pytest.mark.row("D10")
def test_the_legs_are_placed_together_or_not_at_all() -> None:
    """One slot is too few for two legs: without the law of legs, half of each pair would be held."""
    parameters = {"lookback": 60, "z_window": 30, "max_p": 0}
    free = result_of("pairs", couple(800), **parameters)
    assert len(free.engine.positions) > 20
    tight = result_of("pairs", couple(800), {"max_open_positions": 1}, **parameters)
    assert len(tight.engine.fills) == 0
    assert {row["reason"] for row in tight.to_dict()["denials"]} == {"no_slot", "leg_refused"}


@pytest.mark.row("D10")
def test_the_money_in_the_legs_follows_the_hedge_ratio() -> None:
    bars = couple(1_500)
    done = result_of("pairs", bars, lookback=60, z_window=30, max_p=0, leg_pct=30)
    fills = done.engine.fills
    entries = fills[fills["entry"] == 1]
    ratio = {
        symbol: dict(zip(bars[symbol].ts.tolist(), overlay["values"].tolist(), strict=True))
        for symbol in bars
        for overlay in done.overlays(bars)[symbol]
        if overlay["name"] == "hedge_ratio"
    }
    checked = 0
    for ts in np.unique(entries["ts"]).tolist():
        legs = {done.engine.symbols[fill["symbol"]]: fill for fill in entries[entries["ts"] == ts]}
        decided = int(done.engine.orders["ts"][legs["Y"]["order"]])
        money = {
            s: float(fill["qty"]) * bars[s].close[np.searchsorted(bars[s].ts, decided)] for s, fill in legs.items()
        }
        # Whole units of about 100 each in 30,000.
        assert money["X"] / money["Y"] == pytest.approx(ratio["Y"][decided], rel=0.02)
        checked += 1
    assert checked > 15


@pytest.mark.row("D11")
def test_the_two_sides_of_an_arbitrage_have_as_many_units() -> None:
    done = result_of("price_arbitrage", venues(4_000), cost_bps=4, threshold_bps=4)
    spreads = done.spread_trades
    assert len(spreads) > 20
    for trade in spreads:
        assert len({leg["size"] for leg in trade["legs"]}) == 1
        assert {leg["side"] for leg in trade["legs"]} == {"long", "short"}
    assert sum(trade["pnl_net"] for trade in spreads) > 0, "a gap that returns earns where trading costs nothing"


@pytest.mark.row("D11")
def test_a_basket_is_as_long_as_it_is_short() -> None:
    bars = basket(1_500, 8)
    done = result_of("stat_arb", bars, lookback=40, leg_pct=10)
    assert len(done.spread_trades) > 20
    for trade in done.spread_trades:
        worth = {"long": 0.0, "short": 0.0}
        for leg in trade["legs"]:
            worth[leg["side"]] += leg["size"] * leg["entry_price"]
        assert worth["long"] == pytest.approx(worth["short"], rel=0.05)


@pytest.mark.row("D12")
def test_a_market_maker_s_page_says_what_bars_cannot_show(alice: User, run_now: Run) -> None:
    done = run_now(alice, strategy="market_making", end_date="2004-12-31")
    assert done.state == "DONE", done.failure_reason
    assert done.trade_count > 5
    page = Client()
    page.force_login(alice)
    assert "There is no place in a queue" in page.get(f"/backtests/{done.pk}/").content.decode()
    other = run_now(alice, end_date="2004-12-31")
    assert "There is no place in a queue" not in page.get(f"/backtests/{other.pk}/").content.decode()


@pytest.mark.row("D10")
def test_a_leg_that_leaves_by_its_stop_leaves_the_trade_open_until_the_other_is_out() -> None:
    done = result_of("pairs", couple(1_500), {"stop_loss_pct": 1.0}, lookback=60, z_window=30, max_p=0)
    stopped = [
        trade
        for trade in done.spread_trades
        if {leg["exit_reason"] for leg in trade["legs"]} == {"stop_loss", "signal"}
    ]
    assert stopped
    for trade in stopped:
        assert trade["exit_time"] == max(leg["exit_time"] for leg in trade["legs"])
        assert trade["pnl_net"] == pytest.approx(sum(leg["pnl_net"] for leg in trade["legs"]))


def test_a_strategy_without_legs_has_no_such_list() -> None:
    done = result_of("momentum", couple(300))
    assert done.spread_trades is None
    assert "spread_trades" not in done.to_dict()


@pytest.mark.shared_data
@pytest.mark.row("D10", "D11")
def test_real_stocks_pair_up(shared_data: Path) -> None:
    pair = result_of("pairs", real_closes(shared_data, "MA", "JPM"), lookback=120, max_p=0.2)
    assert len(pair.spread_trades) > 3
    banks = real_closes(shared_data, "JPM", "BAC", "GE", "XOM", "WMT", "PFE")
    several = result_of("stat_arb", banks)
    assert len(several.spread_trades) > 50
