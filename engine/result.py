"""What a run did: its logs as structured arrays, its metrics, its export."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from engine.types import (
    DENIAL_NAMES,
    OPEN_POSITION,
    ORDER_TYPE_NAMES,
    REASON_NAMES,
    STATUS_NAMES,
    TIF_NAMES,
    Ints,
    Records,
)

if TYPE_CHECKING:
    import pandas as pd

    from engine.metrics import Value

_NAMED: Final = {"kind": ORDER_TYPE_NAMES, "tif": TIF_NAMES, "status": STATUS_NAMES, "exit_reason": REASON_NAMES}
_TIMES: Final = ("ts", "done_ts", "entry_ts", "exit_ts", "last_ts")


class Rows(np.ndarray[Any, np.dtype[Any]]):
    """A structured array of one log (fields: engine.types), with `frame()` for people.

    symbols: what the `symbol` field indexes. reasons: what the `reason` field indexes.
    """

    symbols: tuple[str, ...] = ()
    reasons: tuple[str, ...] = REASON_NAMES

    @classmethod
    def of(cls, rows: Records, symbols: tuple[str, ...], reasons: tuple[str, ...] = REASON_NAMES) -> Rows:
        view = rows.view(cls)
        view.symbols = symbols
        view.reasons = reasons
        return view

    def __array_finalize__(self, source: Any) -> None:
        self.symbols = getattr(source, "symbols", ())
        self.reasons = getattr(source, "reasons", REASON_NAMES)

    def frame(self) -> pd.DataFrame:
        """The rows as a pandas frame: times in UTC, codes and symbols by name."""
        import pandas as pd

        columns: dict[str, Any] = {}
        for name in self.dtype.names or ():
            values = np.asarray(self[name])
            if name in _TIMES:
                columns[name] = pd.DatetimeIndex(values.astype("datetime64[ns]"), tz="UTC")
            elif name == "date":
                columns[name] = values.astype("datetime64[D]")
            elif name == "symbol":
                columns[name] = np.array(self.symbols, dtype=object)[values]
            elif name in _NAMED or name == "reason":
                columns[name] = np.array(_NAMED.get(name, self.reasons), dtype=object)[values]
            else:
                columns[name] = values
        return pd.DataFrame(columns)


@dataclass(frozen=True, slots=True)
class Result:
    """A finished run. Fields of the logs: engine.types.

    orders, fills, denials: in the order in which they happened. positions: round trips, by closing time.
    open_positions: what was held at the end. equity: one row a bar time. daily: the last equity of each UTC date.
    book: the final BOOK record, shape (1,). benchmark_daily: DAILY rows of the benchmark's closes, or None.
    """

    symbols: tuple[str, ...]
    orders: Rows
    fills: Rows
    positions: Rows
    denials: Rows
    equity: Rows
    daily: Rows
    open_positions: Rows
    book: Records
    periods_per_year: int
    benchmark_daily: Records | None = None

    @property
    def starting_cash(self) -> float:
        return float(self.book["starting_cash"][0])

    @property
    def final_equity(self) -> float:
        return float(self.book["equity"][0])

    @property
    def ambiguous_bars(self) -> int:
        """Bars that reached both the stop and the target of a position; the stop was taken."""
        return int(self.book["ambiguous_bars"][0])

    def metrics(self, names: Collection[str] | None = None, *, risk_free_rate_pct: float = 0.0) -> dict[str, Value]:
        """The figures of engine.metrics by name, JSON-ready; `names`: only these."""
        from engine.metrics import compute

        return compute(
            self.book,
            self.daily,
            self.positions,
            self.periods_per_year,
            self.benchmark_daily,
            risk_free_rate_pct=risk_free_rate_pct,
            names=names,
        )

    def to_dict(self, names: Collection[str] | None = None, *, risk_free_rate_pct: float = 0.0) -> dict[str, Any]:
        """The run as plain JSON-ready values: the export of the CLI and the API.

        Times are the start of the bar in which something happened, ISO-8601 in UTC. `orders` are the fills, `size`
        signed; `max_drawdown` is a ratio of closing marks from the initial cash on.
        """
        figures = self.metrics(risk_free_rate_pct=risk_free_rate_pct)
        return {
            "trades": self._trades(),
            "open_position": self._open_positions(),
            "orders": self._fills(),
            "equity": [
                list(pair) for pair in zip(iso_times(self.equity["ts"]), self.equity["equity"].tolist(), strict=True)
            ],
            "starting_cash": self.starting_cash,
            "final_equity": self.final_equity,
            "max_drawdown": float(self.book["max_drawdown"][0]),
            "sharpe_daily": figures["sharpe"],
            "metrics": figures if names is None else self.metrics(names, risk_free_rate_pct=risk_free_rate_pct),
            "denials": self._denials(),
            "ambiguous_bars": self.ambiguous_bars,
        }

    def _trades(self) -> list[dict[str, Any]]:
        trips = self.positions
        entered, left = iso_times(trips["entry_ts"]), iso_times(trips["exit_ts"])
        return [
            {
                "symbol": self.symbols[trip["symbol"]],
                "side": _side(trip["side"]),
                "entry_time": entered[k],
                "entry_price": float(trip["entry_px"]),
                "exit_time": left[k],
                "exit_price": float(trip["exit_px"]),
                "size": float(trip["qty"]),
                "pnl_net": float(trip["pnl_net"]),
                "exit_reason": REASON_NAMES[trip["exit_reason"]],
                "commission": float(trip["commission"]),
                "slippage": float(trip["slippage"]),
                "bars": int(trip["bars"]),
            }
            for k, trip in enumerate(trips)
        ]

    def _open_positions(self) -> list[dict[str, Any]]:
        return [
            {
                "symbol": self.symbols[position["symbol"]],
                "side": _side(position["side"]),
                "entry_time": time,
                "entry_price": float(position["entry_px"]),
                "size": float(position["qty"]),
                "mark": float(position["mark"]),
                "unrealised": float(position["unrealised"]),
            }
            for time, position in zip(iso_times(self.open_positions["entry_ts"]), self.open_positions, strict=True)
        ]

    def _fills(self) -> list[dict[str, Any]]:
        return [
            {
                "time": time,
                "symbol": self.symbols[fill["symbol"]],
                "size": float(fill["qty"]) * int(fill["side"]),
                "price": float(fill["px"]),
                "commission": float(fill["commission"]),
                "reason": REASON_NAMES[fill["reason"]],
            }
            for time, fill in zip(iso_times(self.fills["ts"]), self.fills, strict=True)
        ]

    def _denials(self) -> list[dict[str, Any]]:
        return [
            {
                "time": time,
                "last_time": last,
                "symbol": self.symbols[row["symbol"]],
                "side": "buy" if row["side"] > 0 else "sell",
                "reason": DENIAL_NAMES[row["reason"]],
                "asked": None if np.isnan(row["asked"]) else float(row["asked"]),
                "allowed": float(row["allowed"]),
                "count": int(row["count"]),
            }
            for time, last, row in zip(
                iso_times(self.denials["ts"]), iso_times(self.denials["last_ts"]), self.denials, strict=True
            )
        ]


def iso_times(ts: Ints | npt.NDArray[Any]) -> list[str]:
    """ISO-8601 in UTC of int64 nanoseconds, to the second (to the nanosecond if some need it)."""
    times = np.asarray(ts, dtype=np.int64).astype("datetime64[ns]")
    if not np.any(np.asarray(ts) % 1_000_000_000):
        times = times.astype("datetime64[s]")
    return [text + "Z" for text in np.datetime_as_string(times).tolist()]


def open_positions(holdings: Records) -> Records:
    """OPEN_POSITION rows of the symbols that are held, in name order."""
    held = np.flatnonzero(holdings["qty"])
    rows = np.zeros(len(held), dtype=OPEN_POSITION)
    if len(held) == 0:
        return rows
    state = holdings[held]
    rows["entry_ts"], rows["symbol"] = state["entry_ts"], held
    rows["qty"], rows["side"] = np.abs(state["qty"]), np.sign(state["qty"])
    rows["entry_px"], rows["mark"] = state["avg_px"], state["mark"]
    for name in ("stop_px", "target_px"):
        rows[name] = np.where(np.isfinite(state[name]), state[name], np.nan)
    rows["unrealised"] = (state["mark"] - state["avg_px"]) * state["qty"]
    return rows


def _side(sign: int) -> str:
    return "long" if sign > 0 else "short"
