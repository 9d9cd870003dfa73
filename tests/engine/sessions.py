"""Random sessions: runs of `cases` driven step by step, with requests between the steps and blocks in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from engine import Portfolio, Rules
from engine.bars import COLUMNS
from engine.portfolio import OutsideExposure, StepLog
from engine.resample import last_fine_bar
from engine.types import BLOCK_NAMES, REQUEST_REASONS
from tests.engine.cases import Case, costs_of, rules_of
from tests.engine.reference.model import NOTHING, Plan, Request


@dataclass(frozen=True)
class Step:
    """The arguments of one call of Portfolio.step."""

    ts: int
    bars: dict[str, tuple[float, ...]]
    signals: dict[str, Any]
    last: bool


def steps_of(case: Case) -> Iterator[Step]:
    lines = case.match_bars or case.bars
    rows = {name: {int(ts): k for k, ts in enumerate(one.ts)} for name, one in lines.items()}
    decided: dict[str, dict[int, int]] = {}
    for name, coarse in case.bars.items():
        places = last_fine_bar(coarse, lines[name]).tolist() if case.match_bars else range(len(coarse))
        decided[name] = {place: k for k, place in enumerate(places)}
    times = sorted(set().union(*rows.values()))
    for ts in times:
        now = {name: at[ts] for name, at in rows.items() if ts in at}
        prices = {name: tuple(float(getattr(lines[name], c)[k]) for c in COLUMNS) for name, k in now.items()}
        signals = {name: case.signals[name][decided[name][k]] for name, k in now.items() if k in decided[name]}
        yield Step(ts, prices, signals, ts == times[-1])


def portfolio_of(case: Case, **options: Any) -> Portfolio:
    return Portfolio(
        case.match_bars or case.bars,
        rules=case.rules,
        costs=case.costs,
        starting_cash=case.cash,
        finer_matching=case.match_bars is not None,
        legs=case.legs,
        **options,
    )


def heed(portfolio: Portfolio, request: Request) -> StepLog | None:
    if request.name == "change_rules":
        portfolio.change_rules(request.rules, request.costs)
        return None
    if request.name == "cancel_entry":
        return portfolio.cancel_entry(request.symbol)
    return portfolio.request_exit(request.symbol, request.reason)


def drive(
    case: Case,
    plan: Plan = NOTHING,
    *,
    between: Callable[[int, Portfolio], Portfolio] = lambda n, portfolio: portfolio,
    **options: Any,
) -> tuple[Portfolio, list[StepLog]]:
    """The portfolio at the end, and the logs of steps and requests in their order.

    between(n, portfolio): called before step n; the portfolio to go on with.
    """
    portfolio, logs = portfolio_of(case, **options), []
    for n, step in enumerate(steps_of(case)):
        portfolio = between(n, portfolio)
        logs += [log for request in plan.before.get(n, ()) if (log := heed(portfolio, request)) is not None]
        around = {"blocked": plan.blocked.get(n), "outside": plan.outside.get(n)}
        logs.append(portfolio.step(step.ts, step.bars, step.signals, last=step.last, **around))
    return portfolio, logs


@st.composite
def plans(draw: st.DrawFn, case: Case) -> Plan:
    """Requests before a few random steps, of which some are other rules; blocks and holdings elsewhere in others."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = sum(1 for _ in steps_of(case))
    names = sorted(case.bars)
    before: dict[int, list[Request]] = {}
    for n in draw(st.lists(st.integers(0, count - 1), max_size=6)):
        kind = draw(st.sampled_from(["change_rules", "change_rules", "request_exit", "cancel_entry"]))
        if kind == "change_rules":
            request = Request(kind, rules=other_rules(draw, case.rules, count, rng), costs=draw(costs_of()))
        else:
            symbol = draw(st.none() | st.sampled_from(names))
            request = Request(kind, symbol, draw(st.sampled_from(REQUEST_REASONS)))
        before.setdefault(n, []).append(request)
    blocked = {
        n: {name: draw(st.sampled_from(BLOCK_NAMES)) for name in names if draw(st.booleans())}
        for n in draw(st.lists(st.integers(0, count - 1), max_size=5))
    }
    outside = {n: draw(elsewhere(names)) for n in draw(st.lists(st.integers(0, count - 1), max_size=5))}
    return Plan(before, blocked, outside)


@st.composite
def elsewhere(draw: st.DrawFn, names: list[str]) -> OutsideExposure:
    money = st.sampled_from([0.0, 250.0, 3_000.0])
    symbols = {name: draw(money) for name in [*names, "ELSE"] if draw(st.booleans())}
    return OutsideExposure(draw(money), draw(money) * draw(st.sampled_from([-1, 1])), symbols)


def other_rules(draw: st.DrawFn, rules: Rules, steps: int, rng: np.random.Generator) -> Rules:
    """Rules that fill at the same place: this cannot change."""
    if rules.fill_at == "this_close":
        return draw(rules_of(steps, rng, "this_close"))
    focus = draw(st.sampled_from(["", "guards"]))
    return replace(draw(rules_of(steps, rng, focus)), fill_at="next_open")
