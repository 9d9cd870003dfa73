"""How figures are written on every page: thousands separated, sign shown for gains and losses, never colour alone."""

from __future__ import annotations

import json
import math
from datetime import datetime
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

NOTHING = "–"
MINUS = "−"  # as wide as a plus, and read out as "minus"


def _finite(value: object) -> float | None:
    """`value` as a float, or None for what is no finite number (nothing, text, NaN, infinity)."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _written(number: float, decimals: int, *, signed: bool) -> str:
    text = f"{abs(number):,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        return text
    return (MINUS if number < 0 else "+" if signed else "") + text


@register.filter
def num(value: object, decimals: int = 2) -> str:
    """1234.5 → ``1,234.50``; a dash where there is no finite number."""
    number = _finite(value)
    return NOTHING if number is None else _written(number, decimals, signed=False)


@register.filter
def money(value: object) -> str:
    """Money with two decimals: ``1,234.50``."""
    return num(value, 2)


@register.filter
def px(value: object) -> str:
    """A price: two decimals, four below ten, six below one tenth, eight below one thousandth."""
    number = _finite(value)
    if number is None:
        return NOTHING
    size = abs(number)
    return num(value, 2 if size >= 10 else 4 if size >= 0.1 else 6 if size >= 0.001 or not size else 8)


@register.filter
def pct(value: object) -> str:
    """A percent figure (12.3 means 12.3 %) with two decimals: ``12.30 %``."""
    number = _finite(value)
    return NOTHING if number is None else f"{_written(number, 2, signed=False)} %"


@register.filter
def units(value: object) -> str:
    """A quantity: whole units without decimals, parts of a unit with as many as they need."""
    number = _finite(value)
    if number is None:
        return NOTHING
    return num(number, 0) if number.is_integer() else num(number, 8).rstrip("0")


def _coloured(number: float, text: str) -> SafeString:
    kind = "gain" if text.startswith("+") else "loss" if text.startswith(MINUS) else "faint"
    return format_html('<span class="{}">{}</span>', kind, text)


@register.filter
def signed_money(value: object) -> str:
    """Profit and loss: the sign always written, the colour of the gain or loss with it."""
    number = _finite(value)
    return NOTHING if number is None else _coloured(number, _written(number, 2, signed=True))


@register.filter
def signed_pct(value: object) -> str:
    """A change in percent: the sign always written, the colour with it."""
    number = _finite(value)
    return NOTHING if number is None else _coloured(number, f"{_written(number, 2, signed=True)} %")


@register.filter
def when(value: datetime | None) -> str:
    """A moment in the person's time zone, with UTC on hover."""
    if value is None:
        return NOTHING
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        value.isoformat(),
        value.astimezone(timezone.get_fixed_timezone(0)).strftime("%Y-%m-%d %H:%M:%S"),
        local.strftime("%Y-%m-%d %H:%M"),
    )


@register.filter
def seconds(value: object) -> str:
    """A duration in seconds: ``420 ms``, ``3.2 s``, ``2 min 05 s``."""
    number = _finite(value)
    if number is None:
        return NOTHING
    if number < 1:
        return f"{number * 1000:.0f} ms"
    if number < 60:
        return f"{number:.1f} s"
    return f"{int(number // 60)} min {int(number % 60):02d} s"


@register.filter
def as_json(value: object) -> str:
    """A JSON-ready value as indented text."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
