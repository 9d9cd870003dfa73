"""Random runs: bars, signals, rules and costs that meet every corner of docs/fills.md, drawn by Hypothesis."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from engine import Bars, Costs, Rules
from engine.resample import resample
from engine.types import SIGNAL

MINUTE = 60_000_000_000
DAY = 86_400_000_000_000
EXAMPLES = int(os.environ.get("ENGINE_EXAMPLES", "0"))
"""How many random cases each test tries; 0 (as in CI) is each test's own number. Nightly runs set thousands."""


def tried(examples: int) -> settings:
    """Settings of one random test: the same cases in every run, unless ENGINE_EXAMPLES asks for more."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True, repr=False)
class Case:
    bars: dict[str, Bars]
    signals: dict[str, np.ndarray]
    rules: Rules
    costs: Costs
    cash: float
    match_bars: dict[str, Bars] | None = None
    legs: tuple[tuple[str, ...], ...] = ()

    def __repr__(self) -> str:
        """What differs from the defaults, so that a failing case can be read."""
        plain = Rules()
        rules = {f.name: getattr(self.rules, f.name) for f in fields(Rules)}
        changed = {name: value for name, value in rules.items() if not same(value, getattr(plain, name))}
        lines = {name: f"{len(b)} × {b.timeframe} {b.calendar}" for name, b in self.bars.items()}
        finer = self.match_bars is not None
        return f"Case({lines}, {changed}, {self.costs}, cash={self.cash}, finer={finer}, legs={self.legs})"

    def arguments(self) -> dict[str, Any]:
        return {
            "rules": self.rules,
            "costs": self.costs,
            "starting_cash": self.cash,
            "match_bars": self.match_bars,
            "legs": self.legs,
        }

    def with_rules(self, **changes: Any) -> Case:
        return replace(self, rules=replace(self.rules, **changes))


def same(one: Any, other: Any) -> bool:
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other


# Opening times: a few sessions of each kind, so that half days, daylight saving and weekends occur in small cases.
TIMELINES: dict[str, tuple[str, str, list[tuple[str, int]]]] = {
    "days": ("1d", "XNYS", [("2020-01-02", 40)]),
    "crypto days": ("1d", "24/7", [("2020-01-02", 40)]),
    "crypto hours": ("1h", "24/7", [("2022-12-12", 60)]),
    "half day": ("15m", "XNYS", [("2015-12-23T14:30", 26), ("2015-12-24T14:30", 14), ("2015-12-28T14:30", 26)]),
    "with post-market": ("15m", "XNYS", [("2015-12-24T13:30", 24), ("2015-12-28T13:30", 34)]),
    "clock change": (
        "1h",
        "XNYS",
        [("2008-03-06T14:30", 7), ("2008-03-07T14:30", 7), ("2008-03-10T13:30", 7), ("2008-03-11T13:30", 7)],
    ),
    "minutes": ("1m", "XNYS", [("2013-10-07T19:40", 20), ("2013-10-08T13:30", 20), ("2013-10-08T19:50", 14)]),
}
STEP = {"1m": MINUTE, "15m": 15 * MINUTE, "1h": 60 * MINUTE, "1d": DAY}


def times_of(name: str) -> np.ndarray:
    timeframe, _, runs = TIMELINES[name]
    starts = [(np.datetime64(start, "ns").astype(np.int64), count) for start, count in runs]
    return np.concatenate([start + np.arange(count, dtype=np.int64) * STEP[timeframe] for start, count in starts])


def random_bars(symbol: str, timeframe: str, calendar: str, ts: np.ndarray, rng: np.random.Generator) -> Bars:
    """A walk on a coarse price grid, so that levels are often met exactly, with gaps and bars of no range."""
    n, grid, width = len(ts), rng.choice([0.5, 0.25, 0.01]), rng.choice([0.01, 0.03, 0.08, 0.25])
    start = float(rng.choice([40.0, 40.0, 4.0]))
    close = start * np.exp(np.cumsum(rng.normal(0.0, width, n)))
    before = np.concatenate(([start], close[:-1]))
    open_ = np.where(rng.random(n) < 0.4, before, before * np.exp(rng.normal(0.0, width, n)))
    high = np.maximum(open_, close) * (1.0 + rng.exponential(width / 2, n) * (rng.random(n) < 0.8))
    low = np.minimum(open_, close) * (1.0 - np.minimum(rng.exponential(width / 2, n), 0.5) * (rng.random(n) < 0.8))
    open_, high, low, close = (np.maximum(np.round(x / grid) * grid, grid) for x in (open_, high, low, close))
    volume = rng.integers(0, 400, n).astype(np.float64) * (rng.random(n) < 0.9)
    lot = float(rng.choice([1.0, 1.0, 5.0]))
    return Bars.from_arrays(
        symbol, timeframe, ts, open_, high, low, close, volume, calendar=calendar, lot_size=lot,
        fractionable=bool(rng.random() < 0.7),
    )  # fmt: skip


def random_signals(
    bars: Bars, rng: np.random.Generator, *, rich: bool, weights: bool, quotes: float = 0.3
) -> np.ndarray:
    """quotes: how likely it is that the bars without an action often state quotes."""
    n = len(bars)
    action = rng.choice(np.array([-3, -2, -1, 0, 1, 2], dtype=np.int8), n, p=[0.03, 0.04, 0.2, 0.45, 0.25, 0.03])
    if not rich and not weights:
        return action
    out = np.zeros(n, dtype=SIGNAL)
    out["action"] = action
    out["confidence"] = rng.choice([np.nan, 0.2, 0.5, 0.9], n)

    def sometimes(share: float, values: np.ndarray) -> np.ndarray:
        return np.where(rng.random(n) < share, values, np.nan)

    out["limit_px"] = sometimes(0.2, np.round(bars.close * (1 + rng.normal(0, 0.02, n)), 2))
    out["stop_px"] = sometimes(0.2, np.round(bars.close * (1 + rng.normal(0, 0.04, n)), 2))
    out["target_weight"] = sometimes(0.3, rng.choice([-0.5, 0.0, 0.1, 0.25, 0.6, 1.0], n)) if weights else np.nan
    for name in ("bid_px", "ask_px", "quote_qty"):
        out[name] = np.nan
    if rng.random() < quotes:
        quote_at_times(out, bars.close, rng)
    return out


def quote_at_times(out: np.ndarray, close: np.ndarray, rng: np.random.Generator) -> None:
    """Quotes on a coarse grid, so that many are those of the bar before; some of one side, some that withdraw."""
    n, tick = len(out), float(rng.choice([0.5, 2.0]))
    if rng.random() < 0.5:
        out["action"][rng.random(n) < 0.7] = 0
    stated = (out["action"] == 0) & np.isnan(out["target_weight"]) & (rng.random(n) < 0.7)
    middle = np.round(close / tick) * tick
    bid = np.maximum(middle - rng.choice([0.0, 0.25, 1.0, 4.0], n) * tick, 0.01)
    ask = bid + rng.choice([0.25, 1.0, 4.0], n) * tick
    out["bid_px"] = np.where(stated & (rng.random(n) < 0.85), bid, np.nan)
    out["ask_px"] = np.where(stated & (rng.random(n) < 0.85), ask, np.nan)
    sizes = rng.choice([5.0, 12.0, 40.5, 300.0], 2)
    out["quote_qty"] = np.where(stated, np.where(rng.random(n) < 0.1, 0.0, rng.choice(sizes, n)), np.nan)


def random_legs(names: list[str], rng: np.random.Generator) -> tuple[tuple[str, ...], ...]:
    """No group, or one of some of the symbols."""
    if len(names) < 2 or rng.random() < 0.5:
        return ()
    return (tuple(rng.permutation(names)[: rng.integers(2, len(names) + 1)].tolist()),)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | st.none() | values


ENTRY_KINDS = [
    *[("market", tif) for tif in ("day", "day", "gtc", "ioc", "fok", "opg", "cls")],
    *[("limit", tif) for tif in ("day", "gtc", "ioc", "fok", "opg", "cls")],
    *[(kind, tif) for kind in ("stop", "stop_limit", "trailing_stop") for tif in ("day", "gtc", "ioc", "fok")],
]


SIZINGS = ["fixed", "percentage", "equal_weight", "kelly", "risk", "volatility"]
REBALANCES = ["daily", "weekly", "monthly", "on_signal", "on_target_weights"]


@st.composite
def rules_of(draw: st.DrawFn, steps: int, rng: np.random.Generator, focus: str = "") -> Rules:
    """Any rules; `focus` on an order type, a time in force, a sizing, "rebalance" or "this_close" makes it certain."""
    fill_at = "this_close" if focus == "this_close" else draw(st.sampled_from(["next_open"] * 4 + ["this_close"]))
    wanted = [entry for entry in ENTRY_KINDS if focus in entry]
    kind, tif = draw(st.sampled_from(wanted or ENTRY_KINDS))
    if wanted:
        fill_at = "next_open"
    if fill_at == "this_close":
        kind, tif = "market", draw(st.sampled_from(["day", "gtc"]))
    rebalance = draw(st.sampled_from(REBALANCES if focus == "rebalance" else ["never"] * 6 + REBALANCES))
    sizing = draw(st.sampled_from(SIZINGS))
    if focus in SIZINGS:
        rebalance, sizing = "never", focus
    if rebalance != "never":
        sizing = draw(st.sampled_from(["percentage", "equal_weight"]))
    pct = st.sampled_from([1.0, 2.5, 5.0, 10.0])
    window = draw(st.sampled_from([None, None, None, rng.random(steps) < 0.6]))
    return Rules(
        stop_loss_pct=draw(maybe(pct)),
        take_profit_pct=draw(maybe(pct)),
        trailing_stop_pct=draw(maybe(pct)),
        max_holding_bars=draw(maybe(st.integers(1, 6))),
        sizing=sizing,
        size_value=draw(st.sampled_from([2.0, 10.0, 60.0, 120.0])),
        size_at=draw(st.sampled_from(["decision", "decision", "fill"])),
        max_position_size_pct=draw(maybe(st.sampled_from([10.0, 25.0, 100.0]))),
        max_symbol_concentration_pct=draw(maybe(st.sampled_from([15.0, 40.0]))),
        capital_per_trade=draw(maybe(st.sampled_from([500.0, 2_000.0]))),
        max_open_positions=draw(maybe(st.integers(1, 2))),
        daily_loss_limit_pct=draw(maybe(st.sampled_from([0.5, 2.0]))),
        daily_loss_limit_abs=draw(maybe(st.sampled_from([50.0, 300.0]))),
        max_drawdown_pct=draw(maybe(st.sampled_from([3.0, 15.0]))),
        order_type=kind,
        limit_offset_pct=draw(st.sampled_from([0.0, 0.5, 3.0])),
        stop_offset_pct=draw(st.sampled_from([0.5, 2.0] if kind == "trailing_stop" else [0.0, 0.5, 2.0])),
        time_in_force=tif,
        order_timeout_bars=draw(maybe(st.integers(1, 4))),
        allow_partial_fills=draw(st.booleans()),
        fill_at=fill_at,
        latency_ms=0 if fill_at == "this_close" else draw(st.sampled_from([0, 0, 0, 250, 3_600_000])),
        allow_short=draw(st.booleans()),
        allow_fractional=draw(st.booleans()),
        allow_scale_in=draw(st.booleans()),
        min_confidence=draw(st.sampled_from([0.0, 0.0, 0.4])),
        rebalance=rebalance,
        close_at_end=draw(st.booleans()),
        kelly_min_trades=draw(st.integers(1, 3)),
        kelly_ratio=draw(st.sampled_from([0.5, 1.0])),
        kelly_cap_pct=draw(st.sampled_from([25.0, 90.0])),
        atr_period=draw(st.integers(1, 4)),
        atr_multiple=draw(st.sampled_from([1.0, 2.5])),
        vol_stop_atr=draw(maybe(st.sampled_from([0.5, 2.0]))),
        flatten_at_session_end=draw(st.sampled_from([False, False, True])),
        window=window,
        **draw(guards_of(focus)),
    )


@st.composite
def guards_of(draw: st.DrawFn, focus: str) -> dict[str, Any]:
    """Caps of exposure, correlation, pace, collar, cooldown: few at once, or most runs would never trade."""
    if focus == "correlated":
        return {"max_correlated_positions": 1, "correlation_threshold": 0.05, "correlation_bars": 3}
    likely = focus == "guards"
    choices = {
        "max_gross_exposure_pct": [15.0, 60.0],
        "max_net_exposure_pct": [10.0, 40.0],
        "account_gross_cap": [900.0, 20_000.0],
        "account_net_cap": [700.0, 15_000.0],
        "account_symbol_cap": [400.0, 9_000.0],
        "max_correlated_positions": [1, 2],
        "max_orders_per_minute": [1, 2],
        "price_collar_pct": [0.7, 4.0],
        "cooldown_bars": [1, 3],
    }
    chosen = draw(st.lists(st.sampled_from(sorted(choices)), min_size=int(likely), max_size=4 if likely else 1))
    return {name: draw(st.sampled_from(choices[name])) for name in dict.fromkeys(chosen)} | {
        "correlation_threshold": draw(st.sampled_from([0.05, 0.5])),
        "correlation_bars": draw(st.integers(3, 6)),
    }


@st.composite
def costs_of(draw: st.DrawFn) -> Costs:
    slippage, value = draw(
        st.sampled_from(
            [
                ("none", 0.0),
                ("none", 0.0),
                ("fixed", 0.03),
                ("fixed", 5.0),
                ("proportional", 0.002),
                ("volume_impact", 0.01),
            ]
        )
    )
    return Costs(
        commission_rate=draw(st.sampled_from([0.0, 0.0, 0.001])),
        commission_per_share=draw(st.sampled_from([0.0, 0.0, 0.01])),
        commission_min=draw(st.sampled_from([0.0, 0.0, 1.5])),
        slippage=slippage,
        slippage_value=value,
        volume_cap_ratio=draw(maybe(st.sampled_from([0.05, 0.5]))),
    )


@st.composite
def cases(draw: st.DrawFn, *, most_symbols: int = 3, focus: str = "") -> Case:
    """A run on one time line; later symbols miss some of its bars, and may trade on another calendar."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    line = draw(st.sampled_from(sorted(TIMELINES)))
    timeframe, calendar, _ = TIMELINES[line]
    ts = times_of(line)
    ts = ts[: draw(st.integers(2, len(ts)))]
    bars = {}
    shares = [1.0, 0.9] if focus == "correlated" else [1.0, 0.8, 0.3]
    for k in range(most_symbols if focus == "correlated" else draw(st.integers(1, most_symbols))):
        kept = ts if k == 0 else ts[rng.random(len(ts)) < draw(st.sampled_from(shares))]
        other = k == 2 and draw(st.booleans())
        if len(kept):
            name = "BAC"[k] + "X"
            bars[name] = random_bars(name, timeframe, "24/7" if other else calendar, kept, rng)
    steps = len(np.unique(np.concatenate([b.ts for b in bars.values()])))
    rules = draw(rules_of(steps, rng, focus))
    weights = rules.rebalance != "never" or draw(st.integers(0, 5)) == 0
    rich = draw(st.booleans())
    quotes = 1.0 if focus == "quotes" else 0.3
    if quotes == 1.0:
        rich = True
    signals = {name: random_signals(b, rng, rich=rich, weights=weights, quotes=quotes) for name, b in bars.items()}
    costs, cash = draw(costs_of()), draw(st.sampled_from([300.0, 5_000.0, 100_000.0]))
    return Case(bars, signals, rules, costs, cash, legs=random_legs(sorted(bars), rng))


@st.composite
def finer_cases(draw: st.DrawFn) -> Case:
    """A run that decides on coarse bars made of its own minutes, some of which are missing, and matches on those."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    calendar, start = draw(
        st.sampled_from([("XNYS", "2015-12-24T14:30"), ("24/7", "2022-12-12T22:00"), ("XNYS", "2013-10-07T17:30")])
    )
    ts = np.datetime64(start, "ns").astype(np.int64) + np.arange(210, dtype=np.int64) * MINUTE
    fine, coarse = {}, {}
    for name in "AB"[: draw(st.integers(1, 2))]:
        kept = ts[rng.random(len(ts)) < draw(st.sampled_from([1.0, 0.7, 0.1]))]
        if len(kept):
            fine[name] = random_bars(name, "1m", calendar, kept, rng)
            coarse[name] = resample(fine[name], "15m")
    if not fine:
        fine["A"] = random_bars("A", "1m", calendar, ts, rng)
        coarse["A"] = resample(fine["A"], "15m")
    steps = len(np.unique(np.concatenate([b.ts for b in fine.values()])))
    rules = draw(rules_of(steps, rng))
    weights = rules.rebalance != "never"
    signals = {name: random_signals(b, rng, rich=draw(st.booleans()), weights=weights) for name, b in coarse.items()}
    costs, cash = draw(costs_of()), draw(st.sampled_from([300.0, 5_000.0]))
    return Case(coarse, signals, rules, costs, cash, fine, random_legs(sorted(coarse), rng))
