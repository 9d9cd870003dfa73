"""What a worker does with deliveries that wait: each is claimed by one statement, tried, and tried again later."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from accounts.models import Delivery
from accounts.reporters import KINDS, NotDelivered, Note
from tradingsite.lib.secrets import SecretsLocked

log = logging.getLogger(__name__)

# After the first and the second try; after the third it has failed.
WAITS = (timedelta(seconds=10), timedelta(seconds=60))
# A worker that died while it tried: the claim ends after this, well above what any reporter takes.
CLAIM = timedelta(seconds=60)
BATCH = 50
KEEP = timedelta(days=30)


def run_due() -> int:
    """Try what is due, oldest first, up to 50; how many were tried."""
    now = timezone.now()
    due = Delivery.objects.filter(state=Delivery.State.WAITING, next_try_at__lte=now).order_by("next_try_at")
    return sum(attempt(pk) for pk in list(due.values_list("pk", flat=True)[:BATCH]))


def attempt(delivery_id: Any) -> bool:
    """One try, unless another worker is at it; whether it was made."""
    now = timezone.now()
    claimed = Delivery.objects.filter(pk=delivery_id, state=Delivery.State.WAITING, next_try_at__lte=now).update(
        next_try_at=now + CLAIM, tries=F("tries") + 1
    )
    if not claimed:
        return False
    delivery = Delivery.objects.get(pk=delivery_id)
    try:
        kind = KINDS.get(delivery.kind)
        if kind is None:
            raise NotDelivered(f"There is no channel {delivery.kind} any more.", retry=False)
        reporter = kind.build(delivery.address, delivery.secret.reveal())
        reporter.send(Note.from_json(delivery.note, delivery.owner_id))
    except NotDelivered as exc:
        _failed(delivery, exc.reason, retry=exc.retry)
    except SecretsLocked as exc:
        _failed(delivery, exc.message, retry=False)
    except Exception as exc:
        # Its kind only: an exception of an HTTP client may hold the address, and Telegram's holds the token.
        log.error("delivery %s by %s broke: %s", delivery.pk, delivery.kind, type(exc).__name__)
        _failed(delivery, "A fault of ours; the log names it.", retry=True)
    else:
        _end(delivery, Delivery.State.SENT, "")
    return True


def forget_old(now: datetime) -> int:
    """Delete what ended more than 30 days ago; the number deleted."""
    return Delivery.objects.filter(ended_at__lte=now - KEEP).delete()[0]


def _failed(delivery: Delivery, reason: str, *, retry: bool) -> None:
    if not retry or delivery.tries > len(WAITS):
        _end(delivery, Delivery.State.FAILED, reason)
        return
    delivery.last_error = reason[:200]
    delivery.next_try_at = timezone.now() + WAITS[delivery.tries - 1]
    delivery.save(update_fields=["last_error", "next_try_at"])


def _end(delivery: Delivery, state: Delivery.State, reason: str) -> None:
    delivery.state, delivery.last_error, delivery.secret = state, reason[:200], ""
    delivery.next_try_at, delivery.ended_at = None, timezone.now()
    delivery.save(update_fields=["state", "last_error", "secret", "next_try_at", "ended_at"])
