"""The pieces of a stored result: their names, shapes and encoding.

| name | what |
|---|---|
| ``summary`` | dict, see `backtests.runner.documents.summary` |
| ``chart`` | dict, see `backtests.runner.report.equity_chart` |
| ``price:<symbol>`` | dict, see `backtests.runner.report.price_chart` |
| ``spread_trades`` | list, see `backtests.runner.spreads`; only of strategies that trade legs |
| ``head`` | dict: symbols and periods_per_year of the engine's result; names and risk-free rate of its metrics |
| ``why`` | list, see `backtests.runner.explanations`; absent in results of earlier releases |
| ``book``, ``benchmark_daily`` and the logs | arrays of the engine's result (`engine.result.Result`, `engine.types`) |

`symbol` in the arrays is an index into the run's symbols in alphabetical order.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np

from backtests.models import Backtest, ResultPart

# Level 1: a million equity points in about 0.2 s; higher levels save a tenth of the bytes for five times the time.
_LEVEL = 1


def pack(value: Any) -> bytes:
    """A dict or list as compressed JSON, a structured array as compressed columns."""
    if isinstance(value, np.ndarray):
        buffer = io.BytesIO()
        names = value.dtype.names or ()
        header = {"columns": [[name, value.dtype[name].str] for name in names], "length": len(value)}
        text = json.dumps(header).encode()
        buffer.write(len(text).to_bytes(4, "little"))
        buffer.write(text)
        for name in names:
            buffer.write(np.ascontiguousarray(value[name]).tobytes())
        return b"A" + zlib.compress(buffer.getvalue(), _LEVEL)
    return b"J" + zlib.compress(json.dumps(value, allow_nan=False, separators=(",", ":")).encode(), _LEVEL)


def unpack(data: bytes) -> Any:
    """What `pack` packed."""
    kind, body = bytes(data[:1]), zlib.decompress(bytes(data[1:]))
    if kind == b"J":
        return json.loads(body)
    header_length = int.from_bytes(body[:4], "little")
    header = json.loads(body[4 : 4 + header_length])
    array = np.empty(header["length"], dtype=[tuple(entry) for entry in header["columns"]])
    offset = 4 + header_length
    for name in array.dtype.names or ():
        column = array.dtype[name]
        array[name] = np.frombuffer(body, dtype=column, count=len(array), offset=offset)
        offset += column.itemsize * len(array)
    return array


def read(backtest: Backtest, name: str) -> Any | None:
    """The part, or None where the backtest has none of that name (it is not done)."""
    data = ResultPart.objects.filter(backtest_id=backtest.pk, name=name).values_list("data", flat=True).first()
    return None if data is None else unpack(data)


def write(backtest: Backtest, parts: dict[str, Any]) -> None:
    """Replace every part of the backtest. Call inside the transaction that makes it DONE."""
    ResultPart.objects.filter(backtest_id=backtest.pk).delete()
    ResultPart.objects.bulk_create(
        [ResultPart(backtest_id=backtest.pk, name=name, data=pack(value)) for name, value in parts.items()],
        batch_size=20,
    )


def read_many(keys: Sequence[UUID], names: Sequence[str]) -> dict[tuple[UUID, str], Any]:
    """The named parts of several backtests in one query; absent ones are absent."""
    rows = ResultPart.objects.filter(backtest_id__in=keys, name__in=names).values_list("backtest_id", "name", "data")
    return {(key, name): unpack(data) for key, name, data in rows}
