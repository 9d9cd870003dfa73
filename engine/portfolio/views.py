"""What a portfolio tells its caller, and what the caller tells it of the rest of the account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from engine.errors import Fault, InputError
from engine.result import Rows
from engine.types import ORDER, ORDER_TYPE_NAMES, REASON_NAMES, STATUS_NAMES, TIF_NAMES, Records


def _step_order() -> np.dtype[np.void]:
    """ORDER and two more fields behind it, so that rows are copied as bytes."""
    names = list(ORDER.names or ())
    return np.dtype(
        {
            "names": [*names, "serial", "triggered"],
            "formats": [*(ORDER[name] for name in names), np.int64, np.int8],
            "offsets": [*(ORDER.fields[name][1] for name in names if ORDER.fields), ORDER.itemsize, ORDER.itemsize + 8],
            "itemsize": ORDER.itemsize + 16,
        }
    )


# serial: the order's number, from 0 in the order in which orders were made; the same for ever, whatever is trimmed.
# triggered: 1 = a STOP_LIMIT that has become a LIMIT.
STEP_ORDER: Final = _step_order()


@dataclass(frozen=True, slots=True)
class StepLog:
    """What one step, or one request, did. Fields of the rows: engine.types; orders: also `serial` and `triggered`.

    orders: new ones. changed: every order whose record is not what it was, as it is now, new ones included; by serial.
    fills, denials: their `order` is the serial of the order (-1: refused before it became one). denials holds every
    refusal of the step; one that repeats the symbol's last denial is that row, counted up.
    trips: round trips that were closed. equity: at the close, money.
    """

    orders: Rows
    changed: Rows
    fills: Rows
    trips: Rows
    denials: Rows
    equity: float


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """qty: signed. Prices are of the last step; stop_px, target_px, trailing_px: NaN = none. unrealised: money."""

    symbol: str
    qty: float
    avg_px: float
    mark: float
    entry_ts: int
    stop_px: float
    target_px: float
    trailing_px: float
    unrealised: float

    @classmethod
    def of(cls, symbol: str, holding: np.void) -> OpenPosition:
        """From a HOLDING that is not flat."""
        qty, mark, average = float(holding["qty"]), float(holding["mark"]), float(holding["avg_px"])
        peak, pct = float(holding["peak"]), float(holding["trail_pct"])
        side = 1 if qty > 0.0 else -1
        stop, target = float(holding["stop_px"]), float(holding["target_px"])
        return cls(
            symbol,
            qty,
            average,
            mark,
            int(holding["entry_ts"]),
            stop if np.isfinite(stop) else np.nan,
            target if np.isfinite(target) else np.nan,
            peak - side * (peak * pct / 100.0),
            (mark - average) * qty,
        )


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """serial: as in StepLog. side: +1 buys, -1 sells. entry: opens or adds. ts: int64 ns, the bar at whose close it was
    decided. qty: 0 until a size_at="fill" order is sized. limit_px, stop_px: NaN where the order has none."""

    serial: int
    symbol: str
    side: int
    kind: str
    tif: str
    reason: str
    status: str
    entry: bool
    ts: int
    qty: float
    filled: float
    limit_px: float
    stop_px: float
    confidence: float
    triggered: bool

    @classmethod
    def of(cls, row: np.void, symbols: tuple[str, ...]) -> WorkingOrder:
        """From a row of STEP_ORDER."""
        return cls(
            int(row["serial"]),
            symbols[row["symbol"]],
            int(row["side"]),
            ORDER_TYPE_NAMES[row["kind"]],
            TIF_NAMES[row["tif"]],
            REASON_NAMES[row["reason"]],
            STATUS_NAMES[row["status"]],
            bool(row["entry"]),
            int(row["ts"]),
            float(row["qty"]),
            float(row["filled"]),
            float(row["limit_px"]),
            float(row["stop_px"]),
            float(row["confidence"]),
            bool(row["triggered"]),
        )


@dataclass(frozen=True, slots=True)
class OutsideExposure:
    """What the same account holds beside this portfolio, pending orders included, in money.

    gross: sum of absolute values, at least 0. net: signed sum. symbols: absolute value of each symbol, at least 0.
    Raises InputError.
    """

    gross: float = 0.0
    net: float = 0.0
    symbols: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        figures = {"gross": self.gross} | {f"symbols[{name!r}]": value for name, value in self.symbols.items()}
        faults = [
            Fault(f"outside.{path}", "out_of_range", f"must be a finite amount of at least 0, got {value!r}")
            for path, value in figures.items()
            if not (np.isfinite(value) and value >= 0.0)
        ]
        if not np.isfinite(self.net):
            faults.append(Fault("outside.net", "not_a_finite_number", f"must be a finite amount, got {self.net!r}"))
        if faults:
            raise InputError(faults)


def order_rows(rows: Records, serials: Records, triggered: Records) -> Records:
    """STEP_ORDER rows of ORDER rows; all of length n."""
    out = np.zeros(len(rows), dtype=STEP_ORDER)
    if len(rows):
        out.view(np.uint8).reshape(len(rows), -1)[:, : ORDER.itemsize] = rows.view(np.uint8).reshape(len(rows), -1)
        out["serial"], out["triggered"] = serials, triggered
    return out
