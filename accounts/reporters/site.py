"""On the site itself: a row for the bell and the list, and a message to the user's open pages."""

from __future__ import annotations

from typing import Any, TypedDict

from django.db import DatabaseError, IntegrityError, transaction

from accounts.models import Notification
from accounts.reporters.base import NotDelivered, Note
from tradingsite.lib import realtime


class NotificationPayload(TypedDict):
    """Payload of ``notification`` on ``user.<id>``."""

    id: int
    event: str
    level: str
    title: str
    text: str
    link: str
    session_id: str
    created_at: str


class SiteReporter:
    """Writes the row in the caller's transaction; open pages hear of it once that commits."""

    def __init__(self) -> None:
        self.written: Notification | None = None

    def send(self, note: Note) -> None:
        """Raises NotDelivered when the same (`dedup`) stands unread already, or when the database refuses."""
        row = Notification(
            owner_id=note.owner_id,
            event=note.event,
            level=note.level,
            title=note.title,
            text=note.text,
            link=note.link,
            session_id=note.session_id,
            dedup=note.dedup,
        )
        try:
            with transaction.atomic():  # a refusal here must not undo what the caller is doing
                row.save(force_insert=True)
        except IntegrityError:
            raise NotDelivered("it stands unread already", retry=False) from None
        except DatabaseError as exc:
            raise NotDelivered(f"the database refused it: {exc}", retry=True) from exc
        self.written = row
        realtime.publish(f"user.{note.owner_id}", "notification", payload(row))


def payload(row: Notification) -> dict[str, Any]:
    """What open pages are told of a notification."""
    told: NotificationPayload = {
        "id": row.pk,
        "event": row.event,
        "level": row.level,
        "title": row.title,
        "text": row.text,
        "link": row.link,
        "session_id": row.session_id,
        "created_at": row.created_at.isoformat(),
    }
    return dict(told)
