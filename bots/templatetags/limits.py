"""Bars beside figures, how near a limit is, and types of orders: in words, with a colour that only helps."""

from __future__ import annotations

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

_STEPS = ((100.0, "bad", "Over the limit"), (80.0, "warn", "Near the limit"))


@register.filter
def limit_step(percent: float | None) -> str:
    """How near a limit is: "bad" from 100 % on, "warn" from 80 % on, else "good"; nothing where there is no limit."""
    if percent is None:
        return ""
    return next((step for least, step, _ in _STEPS if percent >= least), "good")


@register.filter
def limit_words(percent: float | None) -> str:
    """The same in words."""
    if percent is None:
        return "No limit"
    return next((words for least, _, words in _STEPS if percent >= least), "Within the limit")


@register.simple_tag
def level_bar(percent: float | None, kind: str = "accent") -> SafeString:
    """A bar from the left, full at 100: decoration beside the figure. kind: accent, good, warn, bad."""
    width = min(100.0, max(0.0, percent or 0.0))
    return format_html(
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="bar-track" width="100" height="6"></rect>'
        '<rect class="bar-{}" width="{}" height="6"></rect></svg>',
        kind or "accent",
        f"{width:.2f}",
    )


@register.simple_tag
def signed_bar(share: float) -> SafeString:
    """A bar from the middle, to the right for gains and to the left for losses. share: -1 to 1."""
    width = 50.0 * min(1.0, abs(share))
    return format_html(
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="bar-track" width="100" height="6"></rect>'
        '<rect class="bar-{}" x="{}" width="{}" height="6"></rect>'
        '<rect class="bar-zero" x="49.6" width="0.8" height="6"></rect></svg>',
        "good" if share >= 0 else "bad",
        f"{50.0 if share >= 0 else 50.0 - width:.2f}",
        f"{width:.2f}",
    )


@register.filter
def kind(code: str) -> str:
    """The type of an order in words: ``stop_limit`` → ``stop limit``."""
    return code.replace("_", " ")
