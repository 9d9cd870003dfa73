"""To a channel outside: a row that is sent by a worker, so that nobody waits for a stranger's server."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts.models import Delivery
from accounts.reporters.base import NotDelivered, Note
from tradingsite.lib.secrets import Secret

# More than this waiting for one user means that a channel is dead or something cries without end.
MAX_WAITING = 200


@dataclass(frozen=True, slots=True)
class OutboxReporter:
    """Writes the delivery in the caller's transaction: what is undone is not told."""

    kind: str
    address: str
    secret: Secret

    def send(self, note: Note) -> None:
        """Raises NotDelivered when too many wait already, or when the database refuses."""
        waiting = Delivery.objects.filter(owner_id=note.owner_id, state=Delivery.State.WAITING)[:MAX_WAITING].count()
        if waiting >= MAX_WAITING:
            raise NotDelivered(f"{MAX_WAITING} deliveries of this user are waiting already", retry=False)
        try:
            with transaction.atomic():
                Delivery.objects.create(
                    owner_id=note.owner_id,
                    kind=self.kind,
                    address=self.address,
                    secret=self.secret,
                    event=note.event,
                    note=note.as_json(),
                    next_try_at=timezone.now(),
                )
        except DatabaseError as exc:
            raise NotDelivered(f"the database refused it: {exc}", retry=True) from exc
