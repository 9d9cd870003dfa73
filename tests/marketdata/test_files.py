"""Files of bars: what is read, what is refused, and that every fault says where it stands."""

from __future__ import annotations

import gzip
import io
import time
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import InputError
from marketdata.columns import SECOND
from marketdata.files import Limits, read_bars, read_file
from marketdata.providers import ProviderError
from marketdata.providers.file import FileProvider
from tests.marketdata.conftest import made_bars, ns

HEADER = "time,open,high,low,close,volume\n"
GOOD = "2024-01-02,10,12,9,11,100\n2024-01-03,11,13,10,12,100\n"


def faults_of(content: str | bytes, **options: object) -> list[tuple[str, str]]:
    data = content if isinstance(content, bytes) else content.encode()
    with pytest.raises(InputError) as refused:
        read_file(io.BytesIO(data), symbol="X", **options)  # type: ignore[arg-type]
    assert len(refused.value.faults) <= 10
    return [(fault.path, fault.code) for fault in refused.value.faults]


@pytest.mark.row("G14", "A8")
@pytest.mark.parametrize(
    ("row", "path", "code"),
    [
        ("2024-01-04,1,nan,1,1,1", "row 4, column high", "not_a_finite_number"),
        ("2024-01-04,1,2,1,inf,1", "row 4, column close", "not_a_finite_number"),
        ("2024-01-04,1,2,1,1e999,1", "row 4, column close", "not_a_finite_number"),
        ("2024-01-04,1,2,,1,1", "row 4, column low", "required"),
        ("2024-01-04,1_0,20,1,1,1", "row 4, column open", "not_a_number"),
        ("2024-01-04,0x1,2,1,1,1", "row 4, column open", "not_a_number"),
        ("2024-01-04,1,0.5,1,1,1", "row 4, column high", "high_below_low"),
        ("2024-01-04,3,2,1,1,1", "row 4, column open", "open_out_of_range"),
        ("2024-01-04,1,2,1,1,-1", "row 4, column volume", "negative_volume"),
        ("2024-01-03,1,2,1,1,1", "row 4, column time", "duplicate_time"),
        ("2024-01-01,1,2,1,1,1", "row 4, column time", "not_sorted"),
        ("2024-01-04T10:00:00Z,1,2,1,1,1", "row 4, column time", "mixed_zones"),
        ("2024-02-30,1,2,1,1,1", "row 4, column time", "bad_time"),
        ("04/01/2024,1,2,1,1,1", "row 4, column time", "bad_time"),
        ("1704326400,1,2,1,1,1", "row 4, column time", "bad_time"),
        (",1,2,1,1,1", "row 4, column time", "required"),
        ("3024-01-04,1,2,1,1,1", "row 4, column time", "bad_time"),
        ("2024-01-04,1,2,1", "row 4, column 4", "wrong_number_of_columns"),
        ("2024-01-04,1,2,1,1,1,7", "row 4, column 6", "wrong_number_of_columns"),
    ],
)
def test_one_wrong_cell_is_named_by_row_and_column(row: str, path: str, code: str) -> None:
    assert faults_of(HEADER + GOOD + row + "\n") == [(path, code)]


@pytest.mark.row("G14")
def test_a_price_of_zero_and_a_negative_price() -> None:
    found = faults_of(HEADER + "2024-01-02,0,2,0,1,1\n2024-01-03,-1,2,-1,1,1\n")
    assert found == [
        (f"row {row}, column {column}", "price_not_positive") for row in (2, 3) for column in ("open", "low")
    ]


@pytest.mark.row("A8")
def test_faults_of_every_kind_come_together_in_the_order_of_the_file_and_end_at_ten() -> None:
    rows = [
        "2024-01-02,10,12,9,11,100",
        "2024-01-03,11,10,12,11,100",  # row 3: high below low
        "",  # row 4: blank lines say nothing, and shift nothing
        "2024-01-04,x,13,10,12,100",  # row 5: no number
        "2024-01-04,1,2",  # row 6: too few cells
        *[f"2024-02-{day:02d},10,12,9,11,-1" for day in range(1, 20)],  # rows 7 to 25
    ]
    found = faults_of(HEADER + "\n".join(rows) + "\n")
    assert found[:3] == [
        ("row 3, column high", "high_below_low"),
        ("row 5, column open", "not_a_number"),
        ("row 6, column 3", "wrong_number_of_columns"),
    ]
    assert found[3:] == [(f"row {row}, column volume", "negative_volume") for row in range(7, 14)]


def _zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bars.csv", b"0" * 10_000_000)  # a bomb: 10 MB in 10 kB
    return packed.getvalue()


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    ("content", "path", "code"),
    [
        (lambda: b"", "file", "empty_file"),
        (lambda: HEADER, "file", "no_rows"),
        (lambda: "\n" + GOOD, "header", "missing_header"),
        (lambda: GOOD, "header", "missing_header"),
        (lambda: HEADER.replace(",", ";") + GOOD.replace(",", ";"), "header", "wrong_separator"),
        (lambda: HEADER.replace(",", "\t") + GOOD.replace(",", "\t"), "header", "wrong_separator"),
        (lambda: "time,open,high,low,close,close\n" + GOOD, "header", "duplicate_column"),
        (lambda: "time,date,open,high,low,close\n" + GOOD, "header", "duplicate_column"),
        (lambda: "time,open,high,low,volume\n2024-01-02,1,2,1,1\n", "header", "required"),
        (lambda: ",".join(f"c{n}" for n in range(1_000_000)) + "\n", "header", "too_many_columns"),
        (lambda: ",".join(f"c{n}" for n in range(100)) + "\n", "header", "too_many_columns"),
        (_zipped, "file", "compressed_file"),
        (lambda: gzip.compress((HEADER + GOOD).encode()), "file", "compressed_file"),
        (lambda: (HEADER + GOOD).encode("utf-16"), "file", "not_text"),
        (lambda: bytes(range(256)) * 40, "file", "not_text"),
        (lambda: (HEADER + GOOD).encode() + b"2024-01-04,\xff\xfe,1,1,1,1\n", "file", "not_text"),
        (lambda: b"PAR1" + b"rubbish" * 20, "file", "unreadable"),
        (lambda: HEADER + GOOD + "x" * 6_000_000, "row 4, column 1", "wrong_number_of_columns"),
    ],
)
def test_what_is_no_file_of_bars_is_refused_in_plain_words(
    content: Callable[[], str | bytes], path: str, code: str
) -> None:
    assert faults_of(content())[0] == (path, code)


@pytest.mark.row("A8")
def test_limits_hold_before_anything_is_parsed(tmp_path: Path) -> None:
    large = tmp_path / "large.csv"
    with large.open("wb") as handle:
        handle.truncate(2 * 1024**3)  # two sparse gigabytes
    begun = time.process_time()
    with pytest.raises(InputError) as refused:
        read_file(large, symbol="X")
    assert time.process_time() - begun < 0.5
    assert refused.value.faults[0].code == "too_large"

    class Endless(io.RawIOBase):
        given = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b"1" * size

    stream = Endless()
    with pytest.raises(InputError) as refused:
        read_file(stream, symbol="X", limits=Limits(bytes=1000))  # type: ignore[arg-type]
    assert (refused.value.faults[0].code, stream.given) == ("too_large", 1001)
    assert faults_of(HEADER + GOOD, limits=Limits(rows=1)) == [("file", "too_many_rows")]


def parquet(**columns: object) -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.table(columns), made)
    return made.getvalue()


PRICES = {"open": [10.0, 11.0], "high": [12.0, 13.0], "low": [9.0, 10.0], "close": [11.0, 12.0], "volume": [100, 200]}


@pytest.mark.row("A8")
def test_parquet_is_held_to_the_same_rules() -> None:
    days = pa.array([date(2024, 1, 2), date(2024, 1, 3)])
    reading = read_file(io.BytesIO(parquet(date=days, **PRICES)), symbol="X")
    assert (reading.timeframe, reading.series["X"].ts.tolist()) == ("1d", [ns("2024-01-02"), ns("2024-01-03")])
    assert faults_of(parquet(date=days, **(PRICES | {"high": [12.0, None]}))) == [("row 2, column high", "required")]
    assert faults_of(parquet(date=days, **(PRICES | {"low": [9.0, float("nan")]}))) == [
        ("row 2, column low", "not_a_finite_number")
    ]
    assert faults_of(parquet(date=days, **(PRICES | {"high": [12.0, 1.0]}))) == [
        ("row 2, column high", "high_below_low")
    ]
    assert faults_of(parquet(date=days, **(PRICES | {"open": [b"1", b"2"]})))[0] == ("column open", "wrong_type")
    assert faults_of(parquet(date=[1, 2], **PRICES)) == [("column time", "wrong_type")]
    whole = parquet(date=days, **PRICES)
    assert faults_of(whole[: len(whole) // 2])[0][1] == "unreadable"


@pytest.mark.row("A8")
def test_a_parquet_bomb_is_refused_by_its_footer() -> None:
    bomb = io.BytesIO()
    zeros = pa.array(np.zeros(3_000_000))
    pq.write_table(pa.table({"time": zeros, **dict.fromkeys(PRICES, zeros)}), bomb)
    assert len(bomb.getvalue()) < 200_000
    assert faults_of(bomb.getvalue(), limits=Limits(rows=1_000_000)) == [("file", "too_many_rows")]


def test_the_same_moment_however_it_is_written() -> None:
    expected = [ns("2024-01-02T14:30"), ns("2024-01-02T14:31")]
    for first, second, zone in [
        ("2024-01-02T14:30:00Z", "2024-01-02T14:31:00Z", "UTC"),
        ("2024-01-02 14:30", "2024-01-02 14:31", "UTC"),
        ("2024-01-02T09:30:00-05:00", "2024-01-02T09:31:00-05:00", "UTC"),
        ("2024-01-02T09:30:00", "2024-01-02T09:31:00", "America/New_York"),
        ("2024-01-02T20:00:00.000+0530", "2024-01-02T20:01:00.000+0530", "UTC"),
    ]:
        text = f"Timestamp,Open,High,Low,Close,Volume\n{first},10,12,9,11,1\n{second},10,12,9,11,1\n"
        reading = read_file(io.BytesIO(b"\xef\xbb\xbf" + text.encode()), symbol="x", zone=zone)  # with a BOM
        assert reading.series["X"].ts.tolist() == expected, first
        assert reading.timeframe == "1m"


@pytest.mark.row("A8")
def test_local_times_that_do_not_exist_or_happen_twice() -> None:
    row = ",10,12,9,11,1\n"
    text = HEADER + "2021-03-14 01:30:00" + row + "2021-03-14 02:30:00" + row + "2021-11-07 01:30:00" + row
    assert faults_of(text, zone="America/New_York") == [
        ("row 3, column time", "nonexistent_time"),
        ("row 4, column time", "ambiguous_time"),
    ]
    assert faults_of(text, zone="Mars/Olympus") == [("zone", "unknown_choice")]


def test_several_symbols_in_any_order_and_one_picked_out() -> None:
    text = "date,symbol,open,high,low,close\n"
    text += "".join(f"2024-01-0{day},{name},10,12,9,11\n" for day in (2, 3) for name in ("brk.b", "AAPL"))
    reading = read_file(io.BytesIO(text.encode()))
    assert {name: len(bars) for name, bars in reading.series.items()} == {"AAPL": 2, "BRK.B": 2}
    assert reading.notes == ["The file has no volume column: volumes are 0."]
    assert list(read_file(io.BytesIO(text.encode()), symbol="aapl").series) == ["AAPL"]
    assert faults_of(text) == [("symbol", "not_found")]
    assert faults_of(text.replace("brk.b", "../x"), limits=Limits())[0] == ("row 2, column symbol", "bad_symbol")


def test_timeframe_is_found_or_held_against_the_times() -> None:
    hours = HEADER + "".join(f"2024-01-02T{hour}:30:00Z,10,12,9,11,1\n" for hour in (14, 15, 17))
    assert read_file(io.BytesIO(hours.encode()), symbol="X").timeframe == "1h"
    assert faults_of(hours, timeframe="4h") == [
        ("row 3, column time", "wrong_timeframe"),
        ("row 4, column time", "wrong_timeframe"),
    ]
    assert faults_of(hours, timeframe="7m") == [("timeframe", "unknown_choice")]
    assert faults_of(HEADER + "2024-01-02T14:30:00Z,10,12,9,11,1\n") == [("timeframe", "required")]


def test_daily_bars_get_their_trading_day_whatever_moment_of_it_they_carry() -> None:
    for first, second in [
        ("2024-03-08T14:30:00Z", "2024-03-11T13:30:00Z"),  # the open, across the change of clocks
        ("2024-03-08T05:00:00Z", "2024-03-11T04:00:00Z"),  # midnight in New York
        ("2024-03-08T00:00:00Z", "2024-03-11T00:00:00Z"),
    ]:
        text = f"{HEADER}{first},10,12,9,11,1\n{second},10,12,9,11,1\n"
        reading = read_file(io.BytesIO(text.encode()), symbol="X")
        assert (reading.timeframe, reading.series["X"].ts.tolist()) == ("1d", [ns("2024-03-08"), ns("2024-03-11")])


@pytest.mark.row("A8")
def test_bars_of_the_future_are_refused_when_the_clock_is_given() -> None:
    assert faults_of(HEADER + GOOD, limits=Limits(not_after_ns=ns("2024-01-02T12:00"))) == [
        ("row 3, column time", "in_the_future")
    ]


def test_read_bars_gives_engine_bars() -> None:
    bars = read_bars(io.BytesIO((HEADER + GOOD).encode()), symbol="X", calendar="24/7")["X"]
    assert (bars.symbol, bars.timeframe, bars.calendar, len(bars)) == ("X", "1d", "24/7", 2)
    assert bars.close.tolist() == [11.0, 12.0]


@pytest.mark.slow
def test_a_million_rows_are_read_in_seconds_and_a_fault_far_down_keeps_its_row() -> None:
    bars = made_bars(1_000_000, start="2015-01-01", step_ns=60 * SECOND)
    times = np.datetime_as_string(bars.ts.astype("datetime64[ns]").astype("datetime64[s]"))
    cells = zip(times.tolist(), *(np.round(a, 2).tolist() for a in bars.arrays()), strict=True)
    lines = [f"{t}Z,{o:.2f},{h:.2f},{low:.2f},{c:.2f},{v:.0f}" for t, o, h, low, c, v in cells]
    begun = time.process_time()
    reading = read_file(io.BytesIO((HEADER + "\n".join(lines)).encode()), symbol="X")
    took = time.process_time() - begun
    assert (reading.rows, reading.timeframe) == (1_000_000, "1m")
    assert took < 6  # of a processor; about 0.7 s
    lines[399_998] = "2015-10-05T18:38:00Z,1,2"
    lines[800_000] = lines[800_000].rpartition(",")[0] + ",-1"
    assert faults_of(HEADER + "\n".join(lines)) == [
        ("row 400000, column 3", "wrong_number_of_columns"),
        ("row 800002, column volume", "negative_volume"),
    ]


@pytest.mark.row("G3")
def test_a_read_file_is_a_provider_like_any_other() -> None:
    reading = read_file(io.BytesIO(b"date,open,high,low,close\n2024-01-02,1,2,1,2\n2024-01-03,2,3,2,3\n"), symbol="abc")
    provider = FileProvider(reading, calendar="24/7")
    able = provider.capabilities
    assert (able.timeframes, able.first, able.last, able.refetches) == (
        ("1d",), date(2024, 1, 2), date(2024, 1, 3), False,
    )  # fmt: skip
    assert [(listing.symbol, listing.calendar) for listing in provider.instruments()] == [("ABC", "24/7")]
    second = int(reading.series["ABC"].ts[1])
    assert provider.history("ABC", "1d", second, second + 1).close.tolist() == [3.0]
    for symbol, timeframe in (("XYZ", "1d"), ("ABC", "1h")):
        with pytest.raises(ProviderError) as caught:
            provider.history(symbol, timeframe, 0, second)
        assert not caught.value.retryable
