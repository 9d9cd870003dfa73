"""Signals of one symbol, checked and laid out as the kernel reads them: one contiguous column a field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import Fault, InputError
from engine.types import EXIT, EXIT_SHORT, QUOTES, SIGNAL, WEIGHT_GIVEN, Floats

ACTIONS: Final = range(EXIT, EXIT_SHORT + 1)
_ACTIONS_IN_WORDS: Final = "+1 buy, -1 sell, 0 nothing, -2 exit long, +2 exit short, -3 exit"
_NUMBERS: Final = tuple(name for name in SIGNAL.names or () if name != "action")


@dataclass(frozen=True, slots=True)
class Signals:
    """Columns of equal length. `action`: int8 of ACTIONS, WEIGHT_GIVEN or QUOTES; the others None where nothing is
    said."""

    action: npt.NDArray[np.int8]
    confidence: Floats | None = None
    limit_px: Floats | None = None
    stop_px: Floats | None = None
    target_weight: Floats | None = None
    bid_px: Floats | None = None
    ask_px: Floats | None = None
    quote_qty: Floats | None = None


def read_signals(raw: Any, length: int, path: str) -> Signals:
    """Check what a strategy answered for `length` bars: whole numbers of ACTIONS, or an array with the fields of
    SIGNAL (only `action` must be there; NaN = unused). Raises InputError.
    """
    values = np.asarray(raw)
    if values.ndim != 1 or len(values) != length:
        message = f"must have one entry a bar ({length}), got shape {values.shape}"
        raise InputError(Fault(path, "wrong_length", message))
    if values.dtype.names is None:
        return Signals(_actions(values, path))
    unknown = [name for name in values.dtype.names if name not in (SIGNAL.names or ())]
    if unknown or "action" not in values.dtype.names:
        message = f"unknown fields {unknown}" if unknown else "there is no field 'action'"
        raise InputError(Fault(path, "unknown_field" if unknown else "required", message, "engine.types.SIGNAL"))
    action = _actions(values["action"], f"{path}.action")
    columns = {name: _numbers(values, name, path) for name in _NUMBERS}
    weight = columns["target_weight"]
    if weight is not None:
        action = np.where((action == 0) & ~np.isnan(weight), np.int8(WEIGHT_GIVEN), action)
    if columns["quote_qty"] is not None:
        action = np.where(_quoted(action, columns, path), np.int8(QUOTES), action)
    return Signals(action, **columns)


def _quoted(action: npt.NDArray[np.int8], columns: dict[str, Floats | None], path: str) -> npt.NDArray[np.bool_]:
    """The rows that state quotes. Raises InputError where they say something else as well, or quote no market."""
    qty, bid, ask = (columns[name] for name in ("quote_qty", "bid_px", "ask_px"))
    if qty is None:
        return np.zeros(len(action), dtype=np.bool_)
    quoted = ~np.isnan(qty)
    if (bad := quoted & (action != 0)).any():
        row = int(np.flatnonzero(bad)[0])
        message = "a bar states quotes or an action or a target weight, one of them"
        raise InputError(Fault(f"{path}.quote_qty[{row}]", "conflict", message, "NaN, or action 0 without a weight"))
    if bid is not None and ask is not None and (bad := quoted & (bid >= ask)).any():
        row = int(np.flatnonzero(bad)[0])
        message = f"the bid of {bid[row]} must be below the ask of {ask[row]}"
        raise InputError(Fault(f"{path}.bid_px[{row}]", "conflict", message))
    return quoted


def changes_of(action: npt.NDArray[np.int8]) -> int:
    """How often a signal comes up: single ones are counted one by one, a lasting one once."""
    return (int(np.count_nonzero(action[1:] != action[:-1])) + 1) // 2


def _actions(values: npt.NDArray[Any], path: str) -> npt.NDArray[np.int8]:
    if values.dtype.kind not in "iu":
        raise InputError(Fault(path, "wrong_type", f"must be whole numbers from -3 to 2, got {values.dtype}", "int8"))
    if len(values) and (values.max() > ACTIONS[-1] or values.min() < ACTIONS[0]):
        row = int(np.flatnonzero((values > ACTIONS[-1]) | (values < ACTIONS[0]))[0])
        raise InputError(Fault(f"{path}[{row}]", "out_of_range", f"{values[row]} is no action", _ACTIONS_IN_WORDS))
    return np.ascontiguousarray(values, dtype=np.int8)


def _numbers(values: npt.NDArray[Any], name: str, path: str) -> Floats | None:
    if name not in (values.dtype.names or ()):
        return None
    column: Floats = np.ascontiguousarray(values[name], dtype=np.float64)
    given = ~np.isnan(column)
    if not given.any():
        return None
    if name == "confidence":
        bad, rule = given & ((column < 0.0) | (column > 1.0)), "between 0 and 1"
    elif name == "quote_qty":
        bad, rule = given & ~((column >= 0.0) & np.isfinite(column)), "at least 0 and finite"
    elif name == "target_weight":
        bad, rule = np.isinf(column), "finite"
    else:
        bad, rule = given & ~((column > 0.0) & np.isfinite(column)), "above 0 and finite"
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        message = f"{column[row]} must be {rule}, or NaN where unused"
        raise InputError(Fault(f"{path}.{name}[{row}]", "out_of_range", message))
    return column
