"""Making a published strategy one's own, and where the pages of a strategy are."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import reverse

from accounts.models import User
from strategies import services
from strategies.gallery.models import Publication
from strategies.gallery.subjects import Subject, own_settings
from strategies.models import UserStrategy
from strategies.services import custom


def take(user: User, publication: Publication) -> tuple[Subject, bool]:
    """(a strategy of the user's own that decides as the published one does, whether it is new).

    One's own strategy is its own copy; a copy that was made before and never changed is taken again. Raises as
    `strategies.services.copy`, `strategies.services.custom.copy`.
    """
    original = publication.subject
    if original.owner_id == user.pk:
        return original, False
    before = type(original).objects.filter(owner=user, copied_from=original.pk).order_by("-pk")
    for one in before:
        if one.parameters == original.parameters and own_settings(one) == own_settings(original):
            return one, False
    copy = services.copy if isinstance(original, UserStrategy) else custom.copy
    return copy(user, original.pk), True


def page_of(subject: Subject, page: str) -> str:
    """The address of a page of a strategy: detail, edit, publish."""
    kind = "" if isinstance(subject, UserStrategy) else "custom-"
    return reverse(f"strategies:{kind}{page}", args=[subject.pk])


def query_of(subject: Subject) -> str:
    """How a form is told which strategy to begin with."""
    return urlencode({"saved" if isinstance(subject, UserStrategy) else "custom": subject.pk})
