"""What the frame of every page shows of notifications, and how a level is told by word, icon and colour."""

from __future__ import annotations

from django import template

from accounts import selectors
from accounts.models import Level, User

register = template.Library()

# level → kind of pill, icon
_LOOKS = {
    Level.INFO: ("info", "info"),
    Level.WARNING: ("warn", "warn"),
    Level.ERROR: ("bad", "error"),
    Level.CRITICAL: ("bad", "warn"),
}


@register.simple_tag
def unread_notifications(user: User) -> int:
    """How many notifications this user has not read."""
    return selectors.unread_count(user)


@register.inclusion_tag("components/status_pill.html")
def level_pill(level: str) -> dict[str, str]:
    """A level as word, icon and colour."""
    kind, icon_name = _LOOKS[Level(level)]
    return {"word": Level(level).label, "kind": kind, "icon_name": icon_name}
