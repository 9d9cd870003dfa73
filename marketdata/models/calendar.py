"""Exchange sessions as rows, so that a web process answers "is the market open?" with one indexed query."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q


class ExchangeSession(models.Model):
    """The regular session of one trading day: open and close as moments in UTC.

    Written from exchange_calendars by `marketdata.services.calendars` (XNYS 2000–2030). Round-the-clock markets have no
    rows: they never close.
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
