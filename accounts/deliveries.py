"""What a worker does with deliveries that wait: each is claimed by one statement, tried, and tried again later."""

from __future__ import annotations

import logging
import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
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
# One run at a time, and not for long: it holds a thread that housekeeping and trading share.
BUDGET_S = 20.0
# Of one user in one round, so that a channel that lets us wait holds up its owner's messages and nobody else's.
ROUND = 5
KEEP = timedelta(days=30)
_RUNNING = "accounts.deliveries.running"


def run_alone() -> int:
    """`run_due`, unless another worker is at it."""
    if not cache.add(_RUNNING, 1, timeout=BUDGET_S + 2 * CLAIM.total_seconds()):
        return 0
    try:
        return run_due()
    finally:
        cache.delete(_RUNNING)


def run_due() -> int:
    """Try what is due, in rounds of a few of each user's oldest, for up to 20 seconds; how many were tried."""
    began, tried = time.monotonic(), 0
    while time.monotonic() - began < BUDGET_S and (due := _round(timezone.now())):
        for delivery_id in due:
            tried += attempt(delivery_id)
            if time.monotonic() - began >= BUDGET_S:
                break
    return tried


def _round(now: datetime) -> list[Any]:
    """Ids of what is due: at most five of each user, oldest first."""
    taken: Counter[int] = Counter()
    ids = []
    due = Delivery.objects.filter(state=Delivery.State.WAITING, next_try_at__lte=now).order_by("next_try_at")
    for delivery_id, owner_id in due.values_list("pk", "owner_id").iterator():
        taken[owner_id] += 1
        if taken[owner_id] <= ROUND:
            ids.append(delivery_id)
    return ids


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
