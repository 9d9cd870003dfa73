"""Random lives of a portfolio that a broker fills: what it is told between its steps, drawn to make sense each time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from engine import Portfolio
from engine.portfolio import StepLog
from engine.portfolio.broker import EXECUTION_REASONS, EXIT_REASONS
from tests.engine.cases import Case, cases
from tests.engine.sessions import Step, portfolio_of, steps_of


@dataclass(frozen=True)
class Told:
    """One call of a method of FilledByBroker, or of Portfolio."""

    name: str
    arguments: tuple[Any, ...]
    options: tuple[tuple[str, Any], ...] = ()

    def __call__(self, portfolio: Portfolio) -> StepLog:
        answer: StepLog = getattr(portfolio, self.name)(*self.arguments, **dict(self.options))
        return answer


@dataclass(frozen=True)
class Life:
    case: Case
    events: tuple[Step | Told, ...]


def for_broker(case: Case, **rules: Any) -> Case:
    """The case without what needs a simulated venue."""
    signals = {name: without_quotes(rows) for name, rows in case.signals.items()}
    return replace(case, signals=signals).with_rules(
        fill_at="next_open", size_at="decision", close_at_end=False, **rules
    )


def without_quotes(rows: np.ndarray) -> np.ndarray:
    if rows.dtype.names is None:
        return rows
    plain = rows.copy()
    for name in ("bid_px", "ask_px", "quote_qty"):
        plain[name] = np.nan
    return plain


def do(portfolio: Portfolio, event: Step | Told) -> StepLog:
    if isinstance(event, Told):
        return event(portfolio)
    return portfolio.step(event.ts, event.bars, event.signals, last=event.last)


def drive(
    life: Life,
    *,
    between: Callable[[int, Portfolio], Portfolio] = lambda n, portfolio: portfolio,
    **options: Any,
) -> tuple[Portfolio, list[StepLog]]:
    """The portfolio at the end and the logs of all events. between(n, portfolio): before event n; who goes on."""
    portfolio, logs = portfolio_of(life.case, external_fills=True, **options), []
    for n, event in enumerate(life.events):
        portfolio = between(n, portfolio)
        logs.append(do(portfolio, event))
    return portfolio, logs


@st.composite
def lives(draw: st.DrawFn) -> Life:
    case = for_broker(draw(cases()))
    portfolio, events = portfolio_of(case, external_fills=True), []
    for step in steps_of(case):
        events.append(step)
        do(portfolio, step)
        for _ in range(draw(st.integers(0, 3))):
            told = draw(tellable(portfolio, step))
            if told is not None:
                told(portfolio)
                events.append(told)
    return Life(case, tuple(events))


@st.composite
def tellable(draw: st.DrawFn, portfolio: Portfolio, step: Step) -> Told | None:
    """Something that the broker of this portfolio might tell now; None: it would make no sense."""
    held = {one.symbol: one.qty for one in portfolio.positions()}
    working = portfolio.working_orders()
    symbol = draw(st.sampled_from(sorted(step.bars)))
    near = draw(st.sampled_from([0.98, 1.0, 1.01]))
    px = step.bars[symbol][3] * near
    fee = draw(st.sampled_from([0.0, 1.0, -0.25]))
    ts = step.ts + draw(st.integers(0, 1_000_000))
    kind = draw(
        st.sampled_from(
            ["fill"] * 6
            + ["end_order", "fill_exit", "book_execution", "split", "move_cash", "adopt", "release", "request_exit"]
        )
    )
    if kind in ("fill", "end_order"):
        if not working:
            return None
        order = draw(st.sampled_from(working))
        if kind == "end_order":
            return Told("end_order", (order.serial, draw(st.sampled_from(["cancelled", "expired", "denied"]))))
        left = order.qty - order.filled
        if order.entry and held.get(order.symbol, 0.0) * order.side < 0.0:
            return None
        qty = left if draw(st.booleans()) else left * draw(st.sampled_from([0.25, 0.5]))
        bought = order.entry and order.side > 0
        kept = qty * draw(st.sampled_from([0.0, 0.0025])) if bought else 0.0
        px = step.bars.get(order.symbol, step.bars[symbol])[3] * near
        return Told("fill", (order.serial, qty, px, fee, ts), (("kept", kept),))
    if kind == "request_exit":
        return Told("request_exit", (draw(st.sampled_from([symbol, None])), "user"))
    if kind == "split":
        return Told("split", (symbol, draw(st.sampled_from([2.0, 3.0, 0.1, 1.5]))))
    if kind == "move_cash":
        return Told("move_cash", (draw(st.sampled_from([-50.0, 120.0, 1_000.0])),), (("is_flow", draw(st.booleans())),))
    owned = held.get(symbol, 0.0)
    part = abs(owned) * draw(st.sampled_from([0.3, 1.0]))
    if kind == "fill_exit":
        return Told("fill_exit", (symbol, part, px, draw(st.sampled_from(EXIT_REASONS)), fee, ts)) if owned else None
    if kind == "release":
        return Told("release", (symbol, math.copysign(part, owned), px, ts)) if owned else None
    side = draw(st.sampled_from([-1, 1]))
    if kind == "adopt":
        side = side if owned == 0.0 else int(math.copysign(1, owned))
        return Told("adopt", (symbol, side * draw(st.sampled_from([1.0, 7.5])), px, ts))
    qty = part if owned * side < 0.0 else draw(st.sampled_from([2.0, 5.0]))
    reason = draw(st.sampled_from(EXECUTION_REASONS))
    return Told("book_execution", (symbol, side, qty, px, fee, ts), (("reason", reason),))
