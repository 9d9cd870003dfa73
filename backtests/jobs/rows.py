"""Reads that are the same for every kind of job."""

from __future__ import annotations

import uuid
from typing import TypeVar

from django.db.models import QuerySet

from accounts.models import User
from backtests.models.job import ACTIVE, Job
from tradingsite.lib.errors import NotFound

Row = TypeVar("Row", bound=Job)


def one(rows: QuerySet[Row], row_id: uuid.UUID | str, *words: str) -> Row:
    """The one of `rows` with that id. Raises NotFound, in these words, for others, unknown and malformed ids."""
    try:
        key = row_id if isinstance(row_id, uuid.UUID) else uuid.UUID(str(row_id))
    except ValueError:
        raise NotFound(*words) from None
    row = rows.filter(pk=key).first()
    if row is None:
        raise NotFound(*words)
    return row


def active_count(model: type[Job], user: User) -> int:
    """How many of the user's wait or run."""
    return model._default_manager.filter(owner=user, state__in=ACTIVE).count()
