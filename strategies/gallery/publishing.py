"""Writes of publications: a strategy goes into the gallery, follows its owner's changes, and leaves it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts import quotas
from accounts.models import User
from engine.errors import Fault, InputError
from strategies import readers
from strategies.gallery import markets, measuring, subjects
from strategies.gallery.markets import Market
from strategies.gallery.models import DESCRIPTION_LENGTH, Publication
from strategies.gallery.subjects import Subject
from strategies.models import UserStrategy

NEEDS_DESCRIPTION = Fault(
    "description",
    "required",
    "A public strategy needs a description.",
    "Write what it does, and when it should not be used.",
)


def publish(user: User, subject: Subject, payload: Any = None) -> Publication:
    """Makes one of the user's own strategies public, measured on the market that the payload names.

    payload: ``description`` (else the strategy's own), ``source``, ``symbols``, ``timeframe``; a market that was chosen
    before stays where none is named. Published already: the new market or description counts. Raises InputError.
    """
    sent = dict(readers.strict(readers.mapping, "", {} if payload is None else payload))
    reader = readers.Reader(sent)
    reader.refuse_unknown(("description", *markets.FIELDS))
    description = reader.read("description", None, _description)
    reader.finish()
    with transaction.atomic():
        quotas.lock(user)
        subject.refresh_from_db()
        if description is not None:
            subject.description = description
        refuse_unfit(subject)
        subjects.refuse_unsound(subject)
        named = {name: value for name, value in sent.items() if name in markets.FIELDS and value is not None}
        market = markets.clean(user, named, subjects.declared(subject)) if named else None
        subject.is_public = True
        subject.save(update_fields=["description", "is_public", "updated_at"])
        return _follow_public(subject, market)


def withdraw(user: User, subject: Subject) -> None:
    """Takes one of the user's own strategies out of the gallery. Copies of others, and its ratings, stay."""
    with transaction.atomic():
        quotas.lock(user)
        subject.refresh_from_db()
        subject.is_public = False
        subject.save(update_fields=["is_public", "updated_at"])
        follow(subject)


def follow(subject: Subject) -> Publication | None:
    """Brings the gallery in line with a strategy that was just saved; None where it never was public.

    Call inside the transaction that saved it, which holds the owner's lock.
    """
    if subject.is_public:
        return _follow_public(subject, None)
    found = of(subject)
    if found is not None and found.is_listed:
        found.is_listed = False
        found.save(update_fields=["is_listed"])
    return found


def adopt(subject: Subject) -> None:
    """Gives a strategy that was public before there was a gallery its place in it."""
    with transaction.atomic():
        quotas.lock(subject.owner)
        subject.refresh_from_db()
        if subject.is_public:
            with suppress(InputError):  # no longer shipped: there is nothing to show
                _follow_public(subject, None)


def count_copy(user: User, original: Subject) -> None:
    """Another user has copied a strategy: its publication, if it has one, counts that."""
    if original.owner_id != user.pk:
        Publication.objects.filter(**_key(original)).update(copies=F("copies") + 1)


def of(subject: Subject) -> Publication | None:
    """The publication of a strategy, listed or not."""
    return Publication.objects.filter(**_key(subject)).first()


def refuse_unfit(subject: Subject) -> None:
    """Raises InputError for a strategy that others could make nothing of: it needs a name and a description."""
    if not subject.description.strip():
        raise InputError(NEEDS_DESCRIPTION)


def _follow_public(subject: Subject, market: Market | None) -> Publication:
    now = timezone.now()
    row = of(subject) or Publication(owner_id=subject.owner_id, published_at=now, **_key(subject))
    market = market or (markets.of(row) if row.pk else markets.sample(subjects.declared(subject)))
    row.name, row.description, row.kind = subject.name, subject.description, subjects.kind_of(subject)
    row.source, row.symbols, row.timeframe = market.source, list(market.symbols), market.timeframe
    row.own_data, row.is_listed = market.own_data, True
    choice = subjects.choice_of(subject, market.named)
    if row.choice != choice:
        row.choice, row.choice_since = choice, now
    version = subjects.version_of(subject, choice)
    if row.version != version or row.state == Publication.State.FAILED:
        row.version, row.state, row.started_at, row.problem = version, Publication.State.QUEUED, None, ""
    row.save()
    if row.state == Publication.State.QUEUED:
        measuring.ask(row.pk)
    return row


def _key(subject: Subject) -> dict[str, Any]:
    return {"strategy" if isinstance(subject, UserStrategy) else "custom_strategy": subject}


def _description(path: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > DESCRIPTION_LENGTH:
        return readers.text(path, value, max_length=DESCRIPTION_LENGTH)
    # Its lines stay; each of them is plain text.
    return "\n".join(readers.text(path, line, max_length=DESCRIPTION_LENGTH) for line in value.split("\n")).strip()
