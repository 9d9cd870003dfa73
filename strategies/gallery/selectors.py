"""Reads of the gallery. Each takes the user whose eyes it reads with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Avg, Count, ExpressionWrapper, F, FloatField, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from accounts.models import User
from strategies import selectors as saved
from strategies.gallery import publishing
from strategies.gallery.models import Publication, Rating
from strategies.gallery.subjects import Subject
from strategies.models import UserStrategy
from tradingsite.lib.errors import NotFound

SHOWN = Q(is_listed=True, hidden=False)
# Two votes of three stars that everybody has, so that one single vote of five leads no list.
PRIOR_VOTES, PRIOR_STARS = 2, 3
# (key, words, order): nothing sorts by figures in sample.
SORTS: dict[str, tuple[str, Sequence[Any]]] = {
    "newest": ("Newest", (F("published_at").desc(),)),
    "rating": ("Best rated", (F("weighted_stars").desc(), F("rating_count").desc())),
    "copies": ("Most copied", (F("copies").desc(),)),
    "sharpe": ("Sharpe ratio, not in sample", (F("judged_sharpe").desc(nulls_last=True),)),
    "return": ("Return, not in sample", (F("judged_return_pct").desc(nulls_last=True),)),
    "drawdown": ("Smallest drawdown, not in sample", (F("judged_drawdown_pct").asc(nulls_last=True),)),
    "trades": ("Most round trips, not in sample", (F("judged_trades").desc(nulls_last=True),)),
}
DEFAULT_SORT = "newest"


def with_opinions(rows: QuerySet[Publication]) -> QuerySet[Publication]:
    """Each row with `average_stars` (None without ratings), `rating_count`, and `weighted_stars` for sorting."""
    counted = Q(ratings__hidden=False)
    rows = rows.annotate(
        average_stars=Avg("ratings__stars", filter=counted),
        rating_count=Count("ratings", filter=counted),
        all_stars=Coalesce(Sum("ratings__stars", filter=counted), 0),
    )
    weighted = (F("all_stars") + PRIOR_VOTES * PRIOR_STARS * 1.0) / (F("rating_count") + PRIOR_VOTES * 1.0)
    return rows.annotate(weighted_stars=ExpressionWrapper(weighted, output_field=FloatField()))


def listed(
    *, words: str = "", kind: str = "", market: str = "", stars: int = 0, sort: str = DEFAULT_SORT
) -> QuerySet[Publication]:
    """What everybody sees, filtered and sorted. One query for a page of it.

    words: in name, description or owner. kind: of the strategy. market: a source of prices. stars: average at least.
    """
    rows = Publication.objects.filter(SHOWN)
    if words:
        rows = rows.filter(
            Q(name__icontains=words) | Q(description__icontains=words) | Q(owner__username__icontains=words)
        )
    if kind:
        rows = rows.filter(kind=kind)
    if market:
        rows = rows.filter(source=market)
    rows = with_opinions(rows.select_related("owner").defer("chart"))
    if stars:
        rows = rows.filter(average_stars__gte=stars)
    return rows.order_by(*SORTS[sort][1], "-pk")


def one(user: User, publication_id: int) -> Publication:
    """One that everybody sees, or the user's own. Raises NotFound for any other."""
    rows = Publication.objects.filter(SHOWN | Q(owner=user)).select_related("owner", "strategy", "custom_strategy")
    found = with_opinions(rows).filter(pk=publication_id).first() if 0 < publication_id <= saved.MAX_ID else None
    if found is None:
        raise NotFound("There is no such strategy.")
    return found


def of(user: User, subject: Subject) -> Publication:
    """The publication of a strategy that the user may read. Raises NotFound where it never was in the gallery."""
    found = publishing.of(subject)
    if found is None:
        raise NotFound("This strategy is not in the gallery.")
    return one(user, found.pk)


def of_subjects(subjects: Sequence[Subject]) -> dict[int, Publication]:
    """What everybody sees of strategies of one kind (saved, or custom), by the strategy's id. One query."""
    if not subjects:
        return {}
    key = "strategy" if isinstance(subjects[0], UserStrategy) else "custom_strategy"
    rows = Publication.objects.filter(SHOWN, **{f"{key}__in": [subject.pk for subject in subjects]})
    return {getattr(row, f"{key}_id"): row for row in with_opinions(rows.defer("chart"))}


def ratings(publication: Publication) -> QuerySet[Rating]:
    """Ratings of a publication that everybody sees, the newest first."""
    return Rating.objects.filter(publication=publication, hidden=False).select_related("user")


def rating_of(user: User, publication: Publication) -> Rating | None:
    """The user's own rating of it."""
    return Rating.objects.filter(publication=publication, user=user).first()
