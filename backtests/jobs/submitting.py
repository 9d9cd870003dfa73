"""What is the same whenever a job is asked for: confirmation, a key that starts nothing twice, the tier's count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from django.db.models import F
from django.utils import timezone

from accounts import quotas
from accounts.models import User
from backtests.models import SubmissionCount
from backtests.models.job import Job
from engine.errors import Fault
from strategies import readers
from tradingsite.lib.errors import Conflict, Unprocessable

Row = TypeVar("Row", bound=Job)
_UNUSUAL = "These settings are unusual. Send confirm_cautions: true to run them as they are."


def without_confirmation(payload: Any) -> Any:
    """A request without the field that confirms it: what is left is the run itself."""
    if not isinstance(payload, Mapping):
        return payload
    return {key: value for key, value in payload.items() if key != "confirm_cautions"}


def refuse_unconfirmed(payload: Any, cautions: Sequence[Fault], words: str = _UNUSUAL) -> None:
    """Raises Unprocessable, in these words, for what is unusual unless ``confirm_cautions`` is true in the request."""
    sent = payload.get("confirm_cautions") if isinstance(payload, Mapping) else None
    confirmed = sent is not None and readers.strict(readers.boolean, "confirm_cautions", sent)
    if cautions and not confirmed:
        raise Unprocessable(words, code="needs_confirmation", faults=list(cautions))


def sent_before(model: type[Row], user: User, key: str | None, config: Mapping[str, Any]) -> Row | None:
    """What the (locked) user started under that key; None without a key, or for a new one.

    Raises Conflict where that was another request.
    """
    before = model._default_manager.filter(owner=user, idempotency_key=key).first() if key is not None else None
    if before is not None and before.config != config:
        raise Conflict("This Idempotency-Key was sent before with another request.", code="key_reused")
    return before


def count(user: User, *, active: int, bars: int | None = None) -> None:
    """Count one more submission of the (locked) user's day. Raises QuotaExceeded as `accounts.quotas.check_backtest`.

    active: theirs that wait or run; bars: bars times symbols of this one, where known.
    """
    today, _ = SubmissionCount.objects.get_or_create(owner=user, day=timezone.now().date())
    quotas.check_backtest(user, active=active, today=today.submitted, bars=bars)
    SubmissionCount.objects.filter(pk=today.pk).update(submitted=F("submitted") + 1)
