"""The one place where the engine's float64 and the rows' Decimal meet, and nanoseconds and datetimes."""

from __future__ import annotations

import datetime
import math
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_EXACT = Context(prec=60)  # wide enough that quantize never overflows
_EIGHT, _TWELVE = Decimal("1E-8"), Decimal("1E-12")

_UNIT = Decimal("1E-9")  # what brokers count units in
_LARGEST = 1_000  # of the whole numbers that splits are made of

# Two ways to add the same money, in float64 and in Decimal, may differ by this share of it.
TOLERANCE = 1e-9


def money(value: float | Decimal) -> Decimal:
    """To 8 decimal places, the nearest one. float: by its shortest decimal form, so 0.1 is 0.1."""
    return _decimal(value).quantize(_EIGHT, ROUND_HALF_EVEN, _EXACT)


price = money  # the same number of places


def quantity(value: float | Decimal) -> Decimal:
    """To 12 decimal places, the nearest one."""
    return _decimal(value).quantize(_TWELVE, ROUND_HALF_EVEN, _EXACT)


def ratio(value: Decimal) -> Fraction:
    """A split's ratio, exact again: a row keeps nine places of it, and 0.333333333 is one unit for three."""
    told = Fraction(value)
    near = told.limit_denominator(_LARGEST)
    return near if abs(near - told) <= Fraction(_UNIT) / 2 else told


def split_units(units: Decimal, by: Fraction) -> Decimal:
    """Units after a split, to the 9 decimal places that brokers count in, the nearest one."""
    return _through(units, by).quantize(_UNIT, ROUND_HALF_EVEN, _EXACT)


def split_price(px: Decimal, by: Fraction) -> Decimal:
    """A price after a split, as `price`."""
    return price(_through(px, 1 / by))


def _through(value: Decimal, by: Fraction) -> Decimal:
    return _EXACT.divide(_EXACT.multiply(value, Decimal(by.numerator)), Decimal(by.denominator))


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
