"""How the reconciliation inbox is written on pages, and what the frame of every page shows of it."""

from __future__ import annotations

import datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import User
from bots.models import Discrepancy
from bots.selectors import inbox
from tradingsite.lib.templatetags.ui import icon

register = template.Library()

# state → (word, kind of pill, icon)
STATES: dict[str, tuple[str, str, str]] = {
    "OPEN": ("To decide", "warn", "warn"),
    "ADOPTED": ("Adopted", "good", "check"),
    "LEFT": ("Left external", "", "check"),
    "CLOSING": ("Being closed", "info", "clock"),
    "CLOSED": ("Closed", "good", "check"),
    "RESOLVED": ("Gone by itself", "", "check"),
}


@register.simple_tag
def difference_pill(row: Discrepancy) -> SafeString:
    """The state of a row of the inbox as word, icon and colour."""
    word, kind, icon_name = STATES[row.state]
    if row.state == Discrepancy.State.ADOPTED and row.ended_at is None:
        word, kind, icon_name = "Being adopted", "info", "clock"
    return format_html(
        '<span class="pill{}">{}<span>{}</span></span>', f" pill-{kind}" if kind else "", icon(icon_name), word
    )


@register.simple_tag
def inbox_waiting(user: User) -> int | None:
    """How many differences wait for this user; None: there is no account at a broker to compare."""
    return inbox.waiting_in_inbox(user)


@register.filter
def ago(moment: datetime.datetime) -> str:
    """How long ago it was: "12 s ago", "3 min ago"; a day and more as hours and days."""
    gone = max(0, int((timezone.now() - moment).total_seconds()))
    for length, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if gone >= 2 * length:
            return f"{gone // length} {word} ago"
    return f"{gone} s ago"


@register.filter
def of_key(found: dict[str, Any], key: str) -> Any:
    """What a dictionary has under a key; None where there is none."""
    return found.get(key)
