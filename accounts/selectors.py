"""Reads: what a user's bots may do together, and what users were told."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from accounts.models import Delivery, Notification, NotificationChannel, PlatformSwitch, RiskEnvelope, User

KEEP_READ, KEEP_UNREAD = timedelta(days=90), timedelta(days=365)


def risk_envelope(user: User) -> RiskEnvelope:
    """The user's limits over all their bots; an unsaved one without limits where they have set none."""
    return RiskEnvelope.objects.filter(user=user).first() or RiskEnvelope(user=user)


def platform_switch() -> PlatformSwitch:
    """The operators' kill switch for everybody; an unsaved one that is off where it was never thrown."""
    return PlatformSwitch.objects.first() or PlatformSwitch()


def entries_blocked(user: User) -> str | None:
    """Why no bot of this user may open or add to a position right now, in words; None while they may.

    Looks at the platform's switch, the user's own, and whether the account is disabled. Two short queries.
    """
    platform = platform_switch()
    if platform.on:
        return _with_reason("An operator has stopped trading for everybody", platform.reason)
    envelope = RiskEnvelope.objects.filter(user=user).select_related("user").first()
    if envelope is not None and envelope.kill_switch:
        return _with_reason("Your kill switch is on", envelope.kill_reason)
    active = envelope.user.is_active if envelope else User.objects.filter(pk=user.pk, is_active=True).exists()
    return None if active else "This account is disabled."


def notifications(user: User, *, unread: bool | None = None, level: str = "") -> QuerySet[Notification]:
    """What the user was told, newest first. unread: only those that are, or are not; level: only this one."""
    rows = Notification.objects.filter(owner=user)
    if unread is not None:
        rows = rows.filter(read_at__isnull=unread)
    return rows.filter(level=level) if level else rows


def unread_count(user: User) -> int:
    """How many notifications the user has not read."""
    return notifications(user, unread=True).count()


def old_notifications(now: datetime) -> QuerySet[Notification]:
    """Those that are kept no longer: read ones after 90 days, others after a year."""
    return Notification.objects.filter(
        Q(read_at__lte=now - KEEP_READ) | Q(read_at=None, created_at__lte=now - KEEP_UNREAD)
    )


def channels(user: User) -> dict[str, NotificationChannel]:
    """The user's channels outside the site, by kind."""
    return {row.kind: row for row in NotificationChannel.objects.filter(owner=user)}


def recent_deliveries(user: User, limit: int = 5) -> list[Delivery]:
    """The newest messages to the user's channels."""
    return list(Delivery.objects.filter(owner=user)[:limit])


def _with_reason(text: str, reason: str) -> str:
    return f"{text}: {reason}" if reason else f"{text}."
