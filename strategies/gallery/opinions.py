"""What users say about strategies in the gallery: ratings, reports; and what operators do about those."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from accounts.models import User
from strategies import readers
from strategies.gallery.models import Publication, Rating, Report
from tradingsite.lib.errors import Conflict, NotFound

MIN_STARS, MAX_STARS = 1, 5
TEXT_LENGTH = 500


def rate(user: User, publication: Publication, payload: Any) -> Rating:
    """The user's rating of a published strategy: ``stars`` 1–5, ``comment`` optional. One each; again replaces it.

    Raises InputError, Conflict for one's own, NotFound for one that is not in the gallery.
    """
    reader = readers.Reader(readers.strict(readers.mapping, "", payload))
    reader.refuse_unknown(("stars", "comment"))
    if reader.raw.get("stars") is None:
        reader.fault("stars", "required", "Give 1 to 5 stars")
    stars = reader.read("stars", 0, readers.integer, low=MIN_STARS, high=MAX_STARS)
    comment = reader.read("comment", "", readers.text, max_length=TEXT_LENGTH)
    reader.finish()
    _refuse_own(user, publication, "rate")
    # One statement, so that two requests at once cannot both find no rating there.
    Rating.objects.bulk_create(
        [Rating(publication=publication, user=user, stars=stars, comment=comment, choice=publication.choice)],
        update_conflicts=True,
        unique_fields=["publication", "user"],
        update_fields=["stars", "comment", "choice", "updated_at"],
    )
    return Rating.objects.get(publication=publication, user=user)


def take_back(user: User, publication: Publication) -> None:
    """Deletes the user's rating; nothing happens where there is none."""
    Rating.objects.filter(publication=publication, user=user).delete()


def report(user: User, publication: Publication, payload: Any) -> None:
    """Tells the operators why something should not be in the gallery (``reason``). One report each; again replaces it.

    Raises InputError, Conflict for one's own, NotFound.
    """
    reader = readers.Reader(readers.strict(readers.mapping, "", payload))
    reader.refuse_unknown(("reason",))
    reason = reader.read("reason", "", readers.text, max_length=TEXT_LENGTH)
    if not reason and not reader.faults:
        reader.fault("reason", "required", "Say what is wrong with it")
    reader.finish()
    _refuse_own(user, publication, "report")
    Report.objects.bulk_create(
        [Report(publication=publication, user=user, reason=reason)],
        update_conflicts=True,
        unique_fields=["publication", "user"],
        update_fields=["reason", "resolved_at"],
    )


def hide(publications: Iterable[Publication], reason: str) -> None:
    """Takes publications out of the gallery, for operators; the owners are told the reason. Their reports are done."""
    ids = [row.pk for row in publications]
    Publication.objects.filter(pk__in=ids).update(hidden=True, hidden_reason=reason[:TEXT_LENGTH])
    Report.objects.filter(publication__in=ids, resolved_at=None).update(resolved_at=timezone.now())


def show_again(publications: Iterable[Publication]) -> None:
    """Puts hidden publications back."""
    Publication.objects.filter(pk__in=[row.pk for row in publications]).update(hidden=False, hidden_reason="")


def _refuse_own(user: User, publication: Publication, what: str) -> None:
    if publication.owner_id == user.pk:
        raise Conflict(f"This strategy is yours; you cannot {what} it.", code="own_strategy")
    if not publication.is_shown:
        raise NotFound("There is no such strategy.")
