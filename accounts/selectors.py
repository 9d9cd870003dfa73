"""Reads: what a user's bots may do together, their accounts at brokers, and what users were told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import (
    BrokerAccount,
    Delivery,
    Notification,
    NotificationChannel,
    PlatformSwitch,
    RiskEnvelope,
    User,
)
from tradingsite.lib.errors import NotFound

PLATFORM_STOPPED = "An operator has stopped trading for everybody"
USER_STOPPED = "Your kill switch is on"
DISABLED = "This account is disabled."
MAX_ID = 2**63 - 1
KEEP_READ, KEEP_UNREAD = timedelta(days=90), timedelta(days=365)


def risk_envelope(user: User) -> RiskEnvelope:
    """The user's limits over all their bots; an unsaved one without limits where they have set none."""
    return RiskEnvelope.objects.filter(user=user).first() or RiskEnvelope(user=user)


def platform_switch() -> PlatformSwitch:
    """The operators' kill switch for everybody; an unsaved one that is off where it was never thrown."""
    return PlatformSwitch.objects.first() or PlatformSwitch()


def entries_blocked(user: User) -> str | None:
    """Why no bot of this user may open or add to a position right now, in words; None while they may.

    Looks at the platform's switch, the user's own, and whether the account is disabled. Three short queries.
    """
    return envelopes([user.pk])[user.pk][1]


def envelopes(user_ids: Iterable[int]) -> dict[int, tuple[RiskEnvelope, str | None]]:
    """`risk_envelope` and `entries_blocked` of many users at once, by id; three queries."""
    wanted = set(user_ids)
    platform = platform_switch()
    stored = {row.user_id: row for row in RiskEnvelope.objects.filter(user__in=wanted)}
    active = set(User.objects.filter(pk__in=wanted, is_active=True).values_list("pk", flat=True))
    found: dict[int, tuple[RiskEnvelope, str | None]] = {}
    for pk in wanted:
        envelope = stored.get(pk) or RiskEnvelope(user_id=pk)
        blocked = None
        if platform.on:
            blocked = _with_reason(PLATFORM_STOPPED, platform.reason)
        elif envelope.kill_switch:
            blocked = _with_reason(USER_STOPPED, envelope.kill_reason)
        elif pk not in active:
            blocked = DISABLED
        found[pk] = (envelope, blocked)
    return found


def broker_accounts(user: User, *, closed: bool = False) -> QuerySet[BrokerAccount]:
    """The user's accounts at brokers, by name. closed: those that are closed, instead of those that are not."""
    return BrokerAccount.objects.filter(owner=user, closed_at__isnull=not closed)


def broker_account(user: User, account_id: int) -> BrokerAccount:
    """One of the user's accounts at brokers, closed or not. Raises NotFound."""
    found = BrokerAccount.objects.filter(owner=user, pk=account_id).first() if 0 < account_id <= MAX_ID else None
    if found is None:
        raise NotFound
    return found


def may_hear_broker_account(user: Any, account_id: str) -> bool:
    """Whether the account is this user's; False for unknown and malformed ids."""
    if not (account_id.isascii() and account_id.isdecimal() and len(account_id) < 19):
        return False
    return BrokerAccount.objects.filter(pk=int(account_id), owner_id=user.pk).exists()


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
