"""What lists of public strategies have beside each: its figures, and what others think of it."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from strategies.gallery import selectors


class WithGallery:
    """Mixin for a list of public strategies: each row of a page has `in_gallery`, its publication or None."""

    def paginate_queryset(self, queryset: QuerySet[Any]) -> list[Any]:
        rows = list(super().paginate_queryset(queryset) or ())  # type: ignore[misc]
        found = selectors.of_subjects(rows)
        for row in rows:
            row.in_gallery = found.get(row.pk)
        return rows
