"""Messages of a market data socket: read exactly, refused with their place when they are not as they should be."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from marketdata.columns import SECOND
from marketdata.feeds import Tick, messages
from tests.marketdata.conftest import ns

TRADE = {"T": "t", "S": "AAPL", "i": 96921, "x": "D", "p": 126.55, "s": 1, "t": "2024-03-04T14:30:00.123456789Z"}
QUOTE = {"T": "q", "S": "AAPL", "bp": 126.5, "bs": 3, "ap": 126.6, "as": 2, "t": "2024-03-04T09:30:00-05:00"}
BAR = {"T": "b", "S": "AAPL", "o": 1, "h": 4, "l": 0.5, "c": 2, "v": 100, "t": "2024-03-04T14:30:00Z"}


@pytest.mark.row("G12")
def test_each_kind_is_read() -> None:
    frame = [
        {"T": "success", "msg": "authenticated"},
        {"T": "subscription", "trades": ["AAPL"], "quotes": [], "bars": ["*"]},
        {"T": "error", "code": 406, "msg": "connection limit exceeded"},
        TRADE,
        QUOTE,
        BAR,
        BAR | {"T": "u"},
        {"T": "l", "S": "AAPL", "u": 1},
    ]
    found = messages.parse(json.dumps(frame).encode())
    at = ns("2024-03-04T14:30")
    assert found == [
        {"kind": "success", "message": "authenticated"},
        {"kind": "subscription", "trades": ["AAPL"], "quotes": [], "bars": ["*"]},
        {"kind": "error", "code": 406, "message": "connection limit exceeded"},
        {"kind": "trade", "symbol": "AAPL", "ts": at + 123_456_789, "px": 126.55, "size": 1.0, "trade_id": "96921"},
        {"kind": "quote", "symbol": "AAPL", "ts": at, "bid": 126.5, "ask": 126.6, "bid_size": 3.0, "ask_size": 2.0},
        *(
            {
                "kind": "bar",
                "symbol": "AAPL",
                "ts": at,
                "open": 1.0,
                "high": 4.0,
                "low": 0.5,
                "close": 2.0,
                "volume": 100.0,
                "corrected": corrected,
            }
            for corrected in (False, True)
        ),
    ]
    trade, quote, bar = found[3], found[4], found[5]
    assert messages.tick_of(trade, quote) == Tick(  # type: ignore[arg-type]
        "AAPL", at + 123_456_789, 126.55, 1.0, 126.5, 126.6, "96921"
    )
    closed = messages.bar_of(bar, "1m", "XNYS", 7)  # type: ignore[arg-type]
    assert (closed.ts_open, closed.ts_close, closed.close, closed.received_ns) == (at, at + 60 * SECOND, 2.0, 7)


REFUSED = [
    ("{}", "", "wrong_type"),
    ("nonsense", "", "bad_json"),
    ("[" * 100_000, "", "bad_json"),
    ("[1]", "[0]", "wrong_type"),
    ('[{"S": "AAPL"}]', "[0].T", "required"),
    ('[{"T": "t", "S": "A", "p": NaN}]', "", "not_a_finite_number"),
    (json.dumps([QUOTE, TRADE | {"p": "126"}]), "[1].p", "not_a_finite_number"),
    (json.dumps([TRADE | {"p": True}]), "[0].p", "not_a_finite_number"),
    (json.dumps([TRADE]).replace("126.55", "1e999"), "[0].p", "not_a_finite_number"),
    (json.dumps([TRADE]).replace("126.55", "9" * 400), "[0].p", "not_a_finite_number"),
    (json.dumps([{k: v for k, v in TRADE.items() if k != "s"}]), "[0].s", "not_a_finite_number"),
    (json.dumps([TRADE | {"t": "2024-03-04T14:30:00"}]), "[0].t", "bad_time"),
    (json.dumps([TRADE | {"t": "2024-02-30T14:30:00Z"}]), "[0].t", "bad_time"),
    (json.dumps([TRADE | {"t": 1709562600}]), "[0].t", "bad_time"),
    (json.dumps([TRADE | {"S": ""}]), "[0].S", "wrong_type"),
    (json.dumps([TRADE | {"S": ["AAPL"]}]), "[0].S", "wrong_type"),
    (json.dumps([TRADE | {"i": 1.5}]), "[0].i", "wrong_type"),
    ('[{"T": "error", "code": "406", "msg": "no"}]', "[0].code", "wrong_type"),
    ('[{"T": "subscription", "trades": "AAPL"}]', "[0].trades", "wrong_type"),
    (" " * (messages.MAX_BYTES + 1), "", "too_large"),
]


@pytest.mark.row("G12")
@pytest.mark.parametrize(("text", "path", "code"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_as_it_should_be_is_refused_with_its_place(text: str, path: str, code: str) -> None:
    with pytest.raises(InputError) as error:
        messages.parse(text)
    assert [(fault.path, fault.code) for fault in error.value.faults] == [(path, code)]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*TRADE, *BAR, "msg", "code"]), inner),
    )
)
def test_no_message_does_anything_but_be_read_or_be_refused(value: object) -> None:
    with suppress(InputError):
        found = messages.parse(json.dumps(value))
        assert isinstance(value, list)
        assert len(found) <= len(value)


@given(st.binary())
def test_no_bytes_do_either(data: bytes) -> None:
    with suppress(InputError):
        assert messages.parse(data) == []
