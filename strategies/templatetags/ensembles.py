"""What ensembles and learning models rested on, as pages show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

register = template.Library()

_SAYS = {
    "BUY": "buy",
    "SELL": "sell",
    "EXIT_LONG": "leave a long position",
    "EXIT_SHORT": "leave a short position",
    "EXIT_ANY": "leave whatever there is",
}


@register.filter
def of_kind(evidence: object, kind: str) -> Mapping[str, Any] | None:
    """The evidence, where it is of this kind ("ensemble", "ai_enhanced"); None for any other."""
    return evidence if isinstance(evidence, Mapping) and evidence.get("kind") == kind else None


@register.filter
def says(code: object) -> str:
    """An opinion in words."""
    return _SAYS.get(str(code), "nothing")


@register.filter
def percent(ratio: object) -> str:
    """A ratio as percent."""
    return f"{ratio * 100:.4g} %" if isinstance(ratio, int | float) else "–"


@register.filter
def read_from(values: object) -> str:
    """The values that a validator read, one after the other."""
    if not isinstance(values, Mapping):
        return ""
    return ", ".join(
        f"{name} {value:,.6g}" if isinstance(value, int | float) else f"{name} not known yet"
        for name, value in values.items()
    )


@register.filter
def tone(code: object) -> str:
    """The class that an opinion is written in."""
    return "explained-yes" if code in ("BUY", "EXIT_SHORT") else "explained-no" if code else "explained-open"


@register.filter
def arrow(code: object) -> str:
    """The sign before an opinion: colour never speaks alone."""
    return "▲" if code in ("BUY", "EXIT_SHORT") else "▼" if code else "·"


@register.filter
def moment(iso: object) -> str:
    """An instant of the evidence, to the minute."""
    return f"{str(iso)[:16].replace('T', ' ')} UTC" if iso else "never"
