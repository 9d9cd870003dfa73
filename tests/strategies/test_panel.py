"""What every strategy over several symbols keeps to: causality, order of symbols, missing bars, and what it says."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine import Bars
from engine.errors import InputError
from strategies import catalogue, reading
from strategies.causality import check_panel
from strategies.panel import Panel, PanelStrategy
from tests.strategies.panels import bars_of, basket, couple, real_closes, venues, without
from tests.strategies.series import DAY_NS, FIRST_DAY_NS, bits

Lines = dict[str, Bars]


def _short(slug: str) -> dict[str, object]:
    """Parameters with which a strategy has something to say within a few hundred bars."""
    return {
        "pairs": {"lookback": 60, "z_window": 30, "test_every": 9},
        "stat_arb": {"lookback": 30},
        "allocation": {"lookback": 60},
    }.get(slug, {})


def _case(slug: str, make: Callable[[int], Lines]) -> object:
    return pytest.param(catalogue.get(slug)(**_short(slug)), make, id=slug)


CASES = [
    _case("pairs", couple),
    _case("stat_arb", basket),
    _case("price_arbitrage", venues),
    _case("market_making", venues),
    _case("allocation", basket),
]
every = pytest.mark.parametrize(("strategy", "make"), CASES)
joint = pytest.mark.parametrize(("strategy", "make"), [case for case in CASES if case.values[0].least > 1])


def test_every_strategy_over_several_symbols_is_tried_here() -> None:
    declared = {found.slug for found in catalogue.listed() if issubclass(found, PanelStrategy)}
    assert declared == {case.values[0].slug for case in CASES}


# --- the panel ----------------------------------------------------------------------------------------------------


def test_a_panel_is_the_union_of_all_times() -> None:
    one = bars_of("A", [1.0, 2, 3, 4])
    two = bars_of("B", [5.0, 6], ts=FIRST_DAY_NS + np.array([1, 4]) * DAY_NS)
    panel = Panel({"B": two, "A": one})
    assert panel.symbols == ("B", "A")
    assert ((panel.ts - FIRST_DAY_NS) // DAY_NS).tolist() == [0, 1, 2, 3, 4]
    assert panel.complete.tolist() == [False, True, False, False, False]
    assert panel.shared.tolist() == [1]
    assert np.array_equal(panel.matrix("close"), [[np.nan, 1], [5, 2], [np.nan, 3], [np.nan, 4], [6, np.nan]], True)
    part = panel[1:4]
    assert part.symbols == ("B", "A")
    assert part.column("A", "close").tolist() == [2, 3, 4]
    assert len(part.bars["B"]) == 1
    assert len(panel[:0]) == len(panel[3:1]) == 0
    with pytest.raises(TypeError, match="sliced"):
        panel[::2]
    assert Panel({}).matrix("close").shape == (0, 0)


# --- the laws -----------------------------------------------------------------------------------------------------


@every
@pytest.mark.row("W8", "D10", "D11")
def test_none_looks_ahead(strategy: PanelStrategy, make: Callable[[int], Lines]) -> None:
    report = check_panel(strategy, make(500))
    assert report.ok, report.problems
    assert report.replays == 300


@every
@pytest.mark.row("W8")
def test_none_looks_ahead_where_bars_are_missing(strategy: PanelStrategy, make: Callable[[int], Lines]) -> None:
    bars = make(280)
    first, second = list(bars)[:2]
    bars[first], bars[second] = without(bars[first], [0, 5, 90, 91, 200]), without(bars[second], [7, 91, 150, 279])
    report = check_panel(strategy, bars)
    assert report.ok, report.problems


def test_a_planted_look_ahead_is_found() -> None:
    class Peeks(PanelStrategy):
        """For one test."""

        slug, label, kind = "peeks", "Peeks", "arbitrage"

        def warmup(self) -> int:
            return 1

        def panel_signals(self, panel: Panel) -> dict[str, NDArray[np.void]]:
            signals = panel.silent()
            first, second = panel.symbols
            later = np.append(panel.column(second, "close")[1:], np.nan)
            signals[first]["action"] = later > panel.column(second, "close")
            return signals

    report = check_panel(Peeks(), couple(200))
    assert not report.ok
    assert report.first_leak is not None
    assert report.first_leak.full != report.first_leak.cut


@every
@pytest.mark.row("W8")
def test_too_few_bars_say_nothing(strategy: PanelStrategy, make: Callable[[int], Lines]) -> None:
    bars = make(300)
    for n in (0, 1, 2, strategy.warmup() - 1):
        part = {symbol: series[:n] for symbol, series in bars.items()}
        assert not any(answer["action"].any() for answer in strategy.read(part).values())
    n = min(strategy.warmup() - 1, 5)
    if n:
        told = strategy.explain_latest({symbol: series[:n] for symbol, series in bars.items()}, list(bars))
        assert {signal.action for signal in told.values()} == {"HOLD"}
        assert all(f"it needs {strategy.warmup()}" in signal.reasoning for signal in told.values())
    late = dict(bars)
    late[next(iter(bars))] = next(iter(bars.values()))[:0]
    assert not any(answer["action"].any() for answer in strategy.read(late).values())


@every
def test_the_order_of_symbols_says_who_is_first_and_no_more(
    strategy: PanelStrategy, make: Callable[[int], Lines]
) -> None:
    bars = make(400)
    turned = strategy.read(dict(reversed(bars.items())))
    same = [
        bits(answer[name]) == bits(turned[symbol][name])
        for symbol, answer in strategy.read(bars).items()
        for name in answer.dtype.names
    ]
    # Of two legs the gap and the ratio are measured from the first one; a basket has no first one.
    assert all(same) == (strategy.most > 2)


@joint
def test_a_bar_that_one_symbol_lacks_decides_nothing(strategy: PanelStrategy, make: Callable[[int], Lines]) -> None:
    bars = make(400)
    spoken = sorted({row for answer in strategy.read(bars).values() for row in np.flatnonzero(answer["action"])})
    missing = next(row for row in spoken if row > strategy.warmup() + 5)
    first, second = list(bars)[:2]
    bars[first] = without(bars[first], [missing])
    answers = strategy.read(bars)
    assert len(answers[first]) == 399
    assert answers[second]["action"][missing] == 0
    upto = {symbol: series.between(None, int(bars[second].ts[missing]) + 1) for symbol, series in bars.items()}
    assert "Not every symbol" in strategy.explain_latest(upto, [second])[second].reasoning


@every
@pytest.mark.row("W1", "D10", "D11")
def test_bar_by_bar_is_the_whole_series(strategy: PanelStrategy, make: Callable[[int], Lines]) -> None:
    bars = make(220)
    first = next(iter(bars))
    bars[first] = without(bars[first], [130, 180])
    whole = strategy.read(bars)
    for ts in sorted({int(t) for series in bars.values() for t in series.ts})[100::7]:
        sofar = {symbol: series.between(None, ts + 1) for symbol, series in bars.items()}
        deciding = [symbol for symbol, series in sofar.items() if len(series) and series.ts[-1] == ts]
        for symbol, signal in reading.explain(strategy, sofar, deciding).items():
            at = len(sofar[symbol]) - 1
            record = reading.record(signal.code, signal.confidence, signal.terms)
            if np.ndim(record) == 0 and not isinstance(record, np.void):
                assert whole[symbol][at]["action"] == 0
            else:
                for name in record.dtype.names:
                    assert np.array_equal(record[name], whole[symbol][at][name], equal_nan=True), name


# --- what it says -------------------------------------------------------------------------------------------------


@every
@pytest.mark.row("D1", "D2")
def test_every_signal_says_what_why_and_when(strategy: PanelStrategy, make: Callable[[int], Lines]) -> None:
    bars = make(600)
    told = reading.generate_signals(strategy, bars)
    assert len(told) > 10
    assert [signal.ts for signal in told] == sorted(signal.ts for signal in told)
    assert {signal.symbol for signal in told} == set(bars)
    for signal in told:
        assert signal.strategy == strategy.slug
        assert signal.ts.tzinfo is datetime.UTC
        series = bars[signal.symbol]
        at = int(np.searchsorted(series.ts_close, int(signal.ts.timestamp()) * 10**9))
        assert signal.px == series.close[at]
        assert "nan" not in signal.reasoning
        plain = json.loads(json.dumps(signal.as_dict(), allow_nan=False))
        assert plain["metadata"]["parameters"] == strategy.parameters
    latest = {symbol: series.between(None, int(told[-1].ts.timestamp()) * 10**9) for symbol, series in bars.items()}
    assert reading.explain(strategy, latest, [told[-1].symbol])[told[-1].symbol] == told[-1]


@every
def test_lines_are_drawn_at_each_symbols_bars(strategy: PanelStrategy, make: Callable[[int], Lines]) -> None:
    bars = make(300)
    first = next(iter(bars))
    bars[first] = without(bars[first], [250])
    for symbol, drawn in reading.overlays(strategy, bars).items():
        series = bars[symbol]
        assert [overlay["name"] for overlay in drawn] == list(strategy.line_info)
        assert all(overlay["values"].shape == (len(series),) for overlay in drawn)
        assert all(np.isfinite(overlay["values"]).any() for overlay in drawn)


def test_single_symbols_are_asked_the_same_way() -> None:
    strategy = catalogue.get("momentum")()
    bars = couple(300)
    told = reading.generate_signals(strategy, bars)
    assert {signal.symbol for signal in told} == {"X", "Y"}
    assert [signal.ts for signal in told] == sorted(signal.ts for signal in told)
    assert len(told) == sum(np.count_nonzero(strategy.signals(series)) for series in bars.values())


# --- what it asks for ---------------------------------------------------------------------------------------------


@pytest.mark.row("D10", "D11")
def test_the_declaration_says_how_many_symbols() -> None:
    said = catalogue.get("pairs").declaration()
    assert (said["least_symbols"], said["most_symbols"]) == (2, 2)
    assert said["trades_together"]
    assert said["needs_short"]
    said = catalogue.get("stat_arb").declaration()
    assert (said["least_symbols"], said["most_symbols"]) == (3, 20)
    said = catalogue.get("momentum").declaration()
    assert (said["least_symbols"], said["most_symbols"], said["trades_together"]) == (1, None, False)
    assert reading.symbols_words(catalogue.get("momentum")) == ""
    assert "2 symbols together" in reading.symbols_words(catalogue.get("pairs"))


ANY = {"allow_short": True, "max_position_size_pct": 25.0}


@pytest.mark.row("D10", "D11", "A8")
def test_what_does_not_fit_is_refused_with_what_to_do() -> None:
    pairs = catalogue.get("pairs")
    reading.refuse_symbols(pairs, ["A", "B"])
    for symbols in (["A"], ["A", "B", "C"]):
        with pytest.raises(InputError) as caught:
            reading.refuse_symbols(pairs, symbols)
        fault = caught.value.faults[0]
        assert (fault.path, fault.code) == ("symbols", "out_of_range")
        assert "Name 2 symbols" in fault.hint
    for refuse, path in (
        (lambda: reading.refuse_alone(pairs), "symbols_alone"),
        (lambda: reading.refuse_settings(pairs, {}, ANY | {"allow_short": False}), "settings.allow_short"),
        (
            lambda: reading.refuse_settings(pairs, {"leg_pct": 20.0}, ANY | {"max_position_size_pct": 5.0}),
            "settings.max_position_size_pct",
        ),
    ):
        with pytest.raises(InputError) as caught:
            refuse()
        assert (caught.value.faults[0].path, caught.value.faults[0].code) == (path, "conflict")
    reading.refuse_settings(pairs, {"leg_pct": 25.0}, ANY)
    maker = catalogue.get("market_making")
    reading.refuse_settings(maker, {"may_short": False}, ANY | {"allow_short": False})
    with pytest.raises(InputError, match="may be short"):
        reading.refuse_settings(maker, {"may_short": True}, ANY | {"allow_short": False})
    reading.refuse_alone(catalogue.get("momentum"))
    reading.refuse_settings(catalogue.get("momentum"), {}, ANY | {"allow_short": False})


@pytest.mark.shared_data
@pytest.mark.row("D10", "D11", "W8")
def test_on_real_prices_none_looks_ahead(shared_data: Path) -> None:
    pair = real_closes(shared_data, "MA", "JPM")
    report = check_panel(catalogue.get("pairs")(), pair, points=40)
    assert report.ok, report.problems
    # FB and GM were listed later: the basket begins when all are there.
    several = real_closes(shared_data, "GOOG", "AAPL", "FB", "AMZN", "GM", "GE")
    strategy = catalogue.get("stat_arb")()
    report = check_panel(strategy, several, points=40)
    assert report.ok, report.problems
    assert len(reading.generate_signals(strategy, several)) > 50


@pytest.mark.row("D10")
def test_symbols_on_different_calendars_meet_where_both_have_a_bar() -> None:
    """A share that trades on weekdays against a coin that trades every day: windows count the shared days."""
    bars = couple(420)
    days = (bars["X"].ts // DAY_NS + 3) % 7  # 1970-01-01 was a Thursday
    mixed = {"Y": bars["Y"], "X": without(bars["X"], np.flatnonzero(days >= 5))}
    mixed["X"].calendar = "XNYS"
    strategy = catalogue.get("pairs")(lookback=60, z_window=30)
    answers = strategy.read(mixed)
    weekdays = {symbol: without(series, np.flatnonzero(days >= 5)) for symbol, series in bars.items()}
    alone = strategy.read(weekdays)
    assert alone["X"]["action"].any()
    assert answers["X"]["action"].tolist() == alone["X"]["action"].tolist()
    assert not answers["Y"]["action"][days >= 5].any()
    assert answers["Y"]["action"][days < 5].tolist() == alone["Y"]["action"].tolist()
    assert check_panel(strategy, mixed).ok
