"""Sums of money as the database gives them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_PLACES = Decimal("0.00000001")


def settled(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures with every Decimal at eight places: SQLite sums money in binary, and leaves dust behind."""
    return {name: value.quantize(_PLACES) if isinstance(value, Decimal) else value for name, value in figures.items()}
