"""The one place where the engine's float64 and the rows' Decimal meet, and nanoseconds and datetimes."""

from __future__ import annotations

import datetime
import math
from decimal import ROUND_HALF_EVEN, Context, Decimal

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_EXACT = Context(prec=60)  # wide enough that quantize never overflows
_EIGHT, _TWELVE = Decimal("1E-8"), Decimal("1E-12")

# Two ways to add the same money, in float64 and in Decimal, may differ by this share of it.
TOLERANCE = 1e-9


def money(value: float | Decimal) -> Decimal:
    """To 8 decimal places, the nearest one. float: by its shortest decimal form, so 0.1 is 0.1."""
    return _decimal(value).quantize(_EIGHT, ROUND_HALF_EVEN, _EXACT)


price = money  # the same number of places


def quantity(value: float | Decimal) -> Decimal:
    """To 12 decimal places, the nearest one."""
    return _decimal(value).quantize(_TWELVE, ROUND_HALF_EVEN, _EXACT)


def optional_price(value: float) -> Decimal | None:
    """`price`, or None for NaN and for a level that is switched off (infinite)."""
    return price(value) if math.isfinite(value) else None


def moment(ns: int) -> datetime.datetime:
    """Nanoseconds since 1970 UTC as an aware datetime, exact to the microsecond."""
    return _EPOCH + datetime.timedelta(microseconds=ns // 1000)


def nanoseconds(at: datetime.datetime) -> int:
    """An aware datetime as nanoseconds since 1970 UTC."""
    since = at - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def agree(ledger: Decimal, engine: float, scale: float) -> bool:
    """Whether a sum in the ledger is the engine's, but for rounding. scale: the size of the money they were made of."""
    return abs(float(ledger) - engine) <= max(abs(scale), 1.0) * TOLERANCE


def _decimal(value: float | Decimal) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(repr(float(value)))
