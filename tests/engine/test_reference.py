"""The compiled kernel does what docs/fills.md says, to the last bit: it agrees with the plain-Python reference."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Result, simulate
from engine.types import DENIAL_NAMES, ORDER_TYPE_NAMES, REASON_NAMES, STATUS_NAMES, TIF_NAMES, Records
from tests.engine import reference
from tests.engine.cases import Case, cases, finer_cases, tried
from tests.engine.sessions import drive, plans

Row = dict[str, Any]


def kernel_rows(records: Records, **names: tuple[str, ...]) -> list[Row]:
    """Plain dicts; codes of the fields in `names` become words."""
    rows = []
    for record in records:
        row = {field: record[field].item() for field in records.dtype.names}
        rows.append({field: names[field][value] if field in names else value for field, value in row.items()})
    return rows


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float) and math.isnan(ours):
        return math.isnan(theirs)
    return bool(ours == theirs)


def assert_rows(what: str, kernel: list[Row], other: Iterable[Row]) -> None:
    """Row by row, so that a failure names the first row and field that differ."""
    other = list(other)
    for i, (ours, theirs) in enumerate(zip(kernel, other, strict=False)):
        different = {name: (ours[name], value) for name, value in theirs.items() if not same(ours[name], value)}
        assert not different, f"{what}[{i}] (kernel, reference): {different}\nkernel {ours}\nreference {theirs}"
    assert len(kernel) == len(other), f"{what}: kernel {len(kernel)}, reference {len(other)}: {(kernel + other)[-3:]}"


def fields(item: Any, *names: str) -> Row:
    return {name: getattr(item, name) for name in names}


def compare(case: Case) -> reference.Outcome:
    result = simulate(case.bars, case.signals, **case.arguments())
    slow = reference.simulate(case.bars, case.signals, **case.arguments())
    assert_agree(result, slow)
    return slow


def assert_agree(result: Result, slow: reference.Outcome) -> None:
    assert_rows(
        "fills",
        kernel_rows(result.fills, reason=REASON_NAMES),
        (
            fields(f, "ts", "symbol", "side", "qty", "px", "commission", "slippage", "reason", "order")
            | {"entry": int(f.entry)}
            for f in slow.fills
        ),
    )
    assert_rows(
        "equity",
        kernel_rows(result.equity),
        (dict(zip(("ts", "equity", "cash", "exposure"), row, strict=True)) for row in slow.equity),
    )
    assert_rows(
        "round trips",
        kernel_rows(result.positions, exit_reason=REASON_NAMES),
        (
            fields(
                t, "symbol", "side", "qty", "entry_ts", "exit_ts", "entry_px", "exit_px", "pnl_net", "commission",
                "slippage", "bars", "exit_reason",
            )
            for t in slow.trips
        ),
    )  # fmt: skip
    assert_rows(
        "denials",
        kernel_rows(result.denials, reason=DENIAL_NAMES),
        (
            fields(d, "ts", "last_ts", "symbol", "side", "reason", "asked", "allowed", "count", "order")
            for d in slow.denials
        ),
    )
    assert_rows(
        "orders",
        kernel_rows(
            result.orders, kind=ORDER_TYPE_NAMES, tif=TIF_NAMES, reason=REASON_NAMES, status=STATUS_NAMES
        ),
        (
            fields(
                o, "ts", "done_ts", "symbol", "side", "qty", "filled", "kind", "tif", "reason", "status", "confidence",
                "limit_px", "stop_px",
            )
            | {"entry": int(o.entry)}
            for o in slow.orders
        ),
    )  # fmt: skip
    assert_rows(
        "open positions",
        kernel_rows(result.open_positions),
        (
            {"symbol": p.symbol, "side": p.side, "qty": p.qty, "mark": p.mark, "entry_ts": p.entry_ts}
            for p in slow.open_positions
        ),
    )
    assert result.ambiguous_bars == slow.ambiguous_bars


FOCUSES = [
    "", "market", "limit", "stop", "stop_limit", "trailing_stop", "opg", "cls", "ioc", "fok", "this_close", "rebalance",
    "kelly", "risk", "volatility", "guards", "correlated", "quotes",
]  # fmt: skip


@pytest.mark.row("H3", "I1", "I4", "J1", "J2", "J3", "J8", "J9", "J10", "J15")
@pytest.mark.parametrize("focus", FOCUSES)
@tried(50)
@given(data=st.data())
def test_the_kernel_is_the_document(focus, data):
    compare(data.draw(cases(focus=focus)))


@pytest.mark.row("H15", "G15")
@tried(80)
@given(case=finer_cases())
def test_finer_matching_is_the_document(case):
    compare(case)


@pytest.mark.row("C14", "J19")
@tried(250)
@given(case=cases() | cases(focus="guards") | cases(focus="quotes") | finer_cases(), data=st.data())
def test_a_session_with_requests_is_the_document(case, data):
    """Other rules, exits asked for, entries cancelled and blocked, at any step."""
    plan = data.draw(plans(case))
    portfolio, _ = drive(case, plan)
    assert_agree(portfolio.result(), reference.simulate(case.bars, case.signals, **case.arguments(), plan=plan))
