"""Writes the audit trail, and finds out whether anybody has tampered with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils import timezone

from accounts.models import AuditEvent, AuditHead, User

PLATFORM = "the platform"
_CHUNK = 2_000


def record(
    actor: User | None,
    action: str,
    *,
    target: str = "",
    detail: Mapping[str, Any] | None = None,
    owner: User | None = None,
    platform: bool = False,
) -> AuditEvent:
    """Add one event to the trail, inside the caller's transaction: what is undone leaves none.

    actor: who acted; None: the platform itself. action: a stable dotted word (`order.submitted`). target: what it was
    done to, cut at 200 characters. detail: JSON-ready; Decimal, datetime and UUID are written as text. owner: whose
    affairs it concerns, by default the actor's own. platform: it concerns everybody.

    Events of one owner queue behind each other until the transaction ends: keep it short. ValueError for a detail that
    is not JSON (NaN included).
    """
    concerned = owner or actor
    chain = concerned.pk if concerned and not platform else AuditEvent.PLATFORM
    text = json.dumps(detail or {}, cls=DjangoJSONEncoder, sort_keys=True, separators=(",", ":"), allow_nan=False)
    with transaction.atomic():
        AuditHead.objects.bulk_create([AuditHead(chain=chain)], ignore_conflicts=True)
        head = AuditHead.objects.select_for_update().get(pk=chain)
        event = AuditEvent(
            chain=chain,
            seq=head.seq + 1,
            at=timezone.now(),
            actor_id=actor.pk if actor else None,
            actor=actor.get_username() if actor else PLATFORM,
            action=action,
            target=target[:200],
            detail_text=text,
            prev_hash=head.hash,
        )
        event.hash = event.digest()
        event.save(force_insert=True)
        head.seq, head.hash = event.seq, event.hash
        head.save(update_fields=["seq", "hash"])
    return event


def faults() -> Iterator[str]:
    """What is wrong with the trail: changed, missing and foreign events, in words; nothing when it is whole.

    It cannot see that somebody who may write to the database made the whole trail anew: keep copies of it elsewhere.
    """
    heads = {head.chain: head for head in AuditHead.objects.all()}
    chain, seq, last_hash = None, 0, ""
    for event in AuditEvent.objects.order_by("chain", "seq").iterator(_CHUNK):
        if event.chain != chain:
            yield from _end(chain, seq, last_hash, heads)
            chain, seq, last_hash = event.chain, 0, ""
        if event.seq != seq + 1:
            yield f"chain {chain}: events {seq + 1} to {event.seq - 1} are missing"
        elif event.prev_hash != last_hash:
            yield f"chain {chain}, event {event.seq}: does not follow the event before it"
        if event.digest() != event.hash:
            yield f"chain {chain}, event {event.seq}: was changed after it was written"
        seq, last_hash = event.seq, event.hash
    yield from _end(chain, seq, last_hash, heads)
    for head in heads.values():
        if head.seq:
            yield f"chain {head.chain}: all {head.seq} events are missing"


def _end(chain: int | None, seq: int, last_hash: str, heads: dict[int, AuditHead]) -> Iterator[str]:
    """What is wrong at the end of a chain that was read up to `seq`; takes its head out of `heads`."""
    if chain is None:
        return
    head = heads.pop(chain, None)
    if head is None or head.seq < seq:
        yield f"chain {chain}: events beyond its recorded end"
    elif head.seq > seq:
        yield f"chain {chain}: events {seq + 1} to {head.seq} are missing"
    elif head.hash != last_hash:
        yield f"chain {chain}: its last event is not the one that was written"
