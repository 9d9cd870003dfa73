"""Exchange sessions as rows, so that a web process answers "is the market open?" with one indexed query."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q


class ExchangeSession(models.Model):
    """The regular session of one trading day: open and close as moments in UTC.

    Written by `marketdata.services.calendars` (XNYS 2000–2030): from exchange_calendars, and where the exchange has
    announced something since that library was made, as announced. Round-the-clock markets have no rows: they never
    close.
    """

    calendar = models.CharField(max_length=16)
    date = models.DateField(help_text="The trading day, in the exchange's own zone")
    open_at = models.DateTimeField()
    close_at = models.DateTimeField()
    early_close = models.BooleanField(default=False)
    loaded_from = models.CharField(max_length=40, help_text="Library and version that gave this row")

    class Meta:
        ordering = ("calendar", "date")
        constraints = [
            models.UniqueConstraint(fields=("calendar", "date"), name="exchange_session_once"),
            models.CheckConstraint(condition=Q(close_at__gt=F("open_at")), name="exchange_session_opens_first"),
        ]
        indexes = [models.Index(fields=("calendar", "close_at"), name="exchange_session_close")]

    def __str__(self) -> str:
        return f"{self.calendar} {self.date}"


class CalendarCopy(models.Model):
    """How good our copy of an exchange's sessions is, and in what it differs from the library's.

    announced: {"2026-11-27": ["2026-11-27T14:30:00+00:00", "2026-11-27T18:00:00+00:00"]}: open and close of that day in
    UTC; null: the exchange stays closed.
    """

    calendar = models.CharField(max_length=16, primary_key=True)
    good_at = models.DateTimeField(help_text="When its source last confirmed it")
    source = models.CharField(max_length=200)
    announced = models.JSONField(default=dict)
    problem = models.CharField(max_length=300, blank=True, help_text="Why the last look at the source led to nothing")

    class Meta:
        verbose_name_plural = "calendar copies"

    def __str__(self) -> str:
        return f"{self.calendar} of {self.good_at:%Y-%m-%d %H:%M}"
