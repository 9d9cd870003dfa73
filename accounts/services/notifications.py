"""Tells users things: a row and a live message on the site, and messages to the channels that they have set up."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts import tasks
from accounts.models import Level, Notification, NotificationChannel, User
from accounts.reporters import KINDS, Composite, Kind, Note, Reporter
from accounts.reporters.outbox import OutboxReporter
from accounts.reporters.site import SiteReporter
from engine.errors import Fault, InputError
from tradingsite.lib import realtime
from tradingsite.lib.errors import NotFound
from tradingsite.lib.secrets import Secret
from tradingsite.lib.text import printable

log = logging.getLogger(__name__)


def notify(
    user: User,
    event: str,
    *,
    level: str,
    title: str,
    text: str = "",
    link: str = "",
    session_id: object = "",
    dedup: str | None = None,
    data: Mapping[str, Any] | None = None,
    also: Iterable[Reporter] = (),
) -> Notification | None:
    """Tell one user something, once the current transaction commits; the row, or None where nothing was written.

    event: a stable word (`trade_executed`, `session_halted`). level: one of `Level`. link: a path on this site. dedup:
    while one with the same key is unread, nothing is said again. data: JSON-ready facts for webhooks. also: further
    reporters, such as `channel(…)` with a bot's own secrets.

    Never raises and never waits for another server: news never stops what it is news of.
    """
    try:
        note = _note(user, event, level, title, text, link, str(session_id), dedup or "", data)
        site = SiteReporter()
        Composite([site]).send(note)
        if site.written is not None:
            _send_out(note, [*_channels(user, level), *also])
        return site.written
    except Exception:
        log.exception("user %s was not told of %s", user.pk, event)
        return None


def notify_everybody(event: str, *, level: str, title: str, text: str = "", link: str = "") -> int:
    """Tell every active user; how many were told."""
    users = User.objects.filter(is_active=True).iterator(500)
    return sum(notify(user, event, level=level, title=title, text=text, link=link) is not None for user in users)


def post_event(user: User, event: str, data: Mapping[str, Any], *, title: str, session_id: object = "") -> None:
    """Post an event to the user's webhook, if they have one, whatever its least level; nothing is shown on the site.

    data: JSON-ready facts. Never raises and never waits, as `notify`.
    """
    try:
        note = _note(user, event, Level.INFO, title, "", "", str(session_id), "", data)
        rows = NotificationChannel.objects.filter(owner=user, kind="webhook", enabled=True)
        _send_out(note, [channel(row.kind, row.address, row.secret) for row in rows])
    except Exception:
        log.exception("user %s was not told of %s", user.pk, event)


def send_by(
    reporters: Iterable[Reporter],
    user: User,
    event: str,
    *,
    level: str,
    title: str,
    text: str = "",
    link: str = "",
    session_id: object = "",
) -> None:
    """Tell something through these reporters only; nothing is shown on the site. Never raises and never waits."""
    try:
        _send_out(_note(user, event, level, title, text, link, str(session_id), "", None), list(reporters))
    except Exception:
        log.exception("user %s was not told of %s", user.pk, event)


def channel(kind: str, address: str, secret: Secret | str) -> Reporter:
    """A reporter that sends through a channel outside, by a worker: a bot's own Telegram chat, for one."""
    return OutboxReporter(kind, address, secret if isinstance(secret, Secret) else Secret.of(secret))


def mark_read(user: User, notification_id: int) -> Notification:
    """Mark one of the user's notifications as read. Raises NotFound."""
    row = Notification.objects.filter(owner=user, pk=notification_id).first()
    if row is None:
        raise NotFound
    if row.read_at is None:
        row.read_at = timezone.now()
        row.save(update_fields=["read_at"])
        _tell_unread(user)
    return row


def mark_all_read(user: User) -> int:
    """Mark everything as read; how many were unread."""
    marked = Notification.objects.filter(owner=user, read_at=None).update(read_at=timezone.now())
    if marked:
        _tell_unread(user)
    return marked


def set_channel(
    user: User, kind: str, *, address: str, secret: str = "", min_level: str = Level.WARNING, enabled: bool = True
) -> NotificationChannel:
    """Set up a channel, or change it. An empty secret keeps the one that is stored.

    Raises NotFound for an unknown kind, InputError, TargetNotAllowed, SecretsLocked.
    """
    known = _kind(kind)
    row = NotificationChannel.objects.filter(owner=user, kind=kind).first()
    row = row or NotificationChannel(owner=user, kind=kind)
    if not secret and not row.secret:
        raise InputError(Fault("secret", "required", f"{known.secret_label} is needed."))
    if min_level not in Level.values:
        raise InputError(Fault("min_level", "unknown_choice", f"{min_level!r:.40} is no level."))
    known.check(address, secret)
    row.address, row.min_level, row.enabled = address, min_level, enabled
    if secret:
        row.secret = secret
    row.save()
    return row


def remove_channel(user: User, kind: str) -> None:
    """Forget a channel and its secret. Raises NotFound."""
    if not NotificationChannel.objects.filter(owner=user, kind=kind).delete()[0]:
        raise NotFound


def try_channel(user: User, kind: str) -> None:
    """Send a test message through one channel. Raises NotFound where it is not set up."""
    row = NotificationChannel.objects.filter(owner=user, kind=kind).first()
    if row is None:
        raise NotFound
    note = _note(user, "test", Level.INFO, "Test message", "Your notifications arrive here.", "", "", "", None)
    _send_out(note, [channel(row.kind, row.address, row.secret)])


def _note(
    user: User,
    event: str,
    level: str,
    title: str,
    text: str,
    link: str,
    session_id: str,
    dedup: str,
    data: Mapping[str, Any] | None,
) -> Note:
    """Everything cut to what the rows hold, without characters that may not enter: a broker's text may have any."""
    if level not in Level.values:
        raise ValueError(f"{level!r} is no level")
    return Note(
        owner_id=user.pk,
        event=event,
        level=level,
        title=_cut(title, 120),
        text=_cut(text, 1_000),
        link=link if link.startswith("/") and not link.startswith("//") and len(link) <= 300 else "",
        session_id=session_id[:36],
        dedup=dedup[:100],
        created_at=timezone.now(),
        data=dict(data or {}),
    )


def _cut(text: str, limit: int) -> str:
    shown = printable(text, limit)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _channels(user: User, level: str) -> list[Reporter]:
    rows = NotificationChannel.objects.filter(owner=user, enabled=True)
    return [channel(row.kind, row.address, row.secret) for row in rows if row.wants(level) and row.kind in KINDS]


def _send_out(note: Note, reporters: list[Reporter]) -> None:
    """Write the deliveries; a worker is told on commit, and finds them by itself if that message is lost."""
    if reporters:
        Composite(reporters).send(note)
        transaction.on_commit(_nudge, robust=True)


def _nudge() -> None:
    tasks.deliver_waiting.delay()


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise NotFound
    return KINDS[name]


def _tell_unread(user: User) -> None:
    """Tell the user's open pages how many are unread."""
    try:
        unread = Notification.objects.filter(owner=user, read_at=None).count()
    except DatabaseError:
        log.exception("the unread notifications of user %s were not counted", user.pk)
        return
    realtime.publish(f"user.{user.pk}", "notifications_read", {"unread": unread})
