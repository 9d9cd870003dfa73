"""News: one row for each item about one symbol, with its score."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from marketdata.news import scorer
from marketdata.news.base import MAX_SUMMARY, MAX_TITLE, MAX_URL
from marketdata.news.names import SOURCES


class NewsItem(models.Model):
    """What a source published about a symbol. `owner` null: everybody sees it; a user's import is that user's only.

    Rows are written once and never changed, neither text nor score: what a session or a backtest read can be read
    again.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="news_items"
    )
    source = models.CharField(max_length=16)
    symbol = models.CharField(max_length=32)
    published_at = models.DateTimeField()
    title = models.CharField(max_length=MAX_TITLE)
    summary = models.CharField(max_length=MAX_SUMMARY, blank=True)
    url = models.CharField(max_length=MAX_URL, blank=True)
    score = models.FloatField(help_text="-1 (bad) to 1 (good), four decimals")
    scorer = models.CharField(max_length=16, help_text="Version of the rules that scored it, or “given”")
    key = models.CharField(max_length=64, help_text="SHA-256 of source, symbol, time and title: the same item again")
    imported_at = models.DateTimeField(help_text="When it came in; sessions that ran then know it from here on")

    class Meta:
        ordering = ("-published_at", "-pk")
        constraints = [
            # Two partial indexes, because SQLite has no NULLS NOT DISTINCT.
            models.UniqueConstraint(fields=("key",), condition=Q(owner__isnull=True), name="news_shared_once"),
            models.UniqueConstraint(
                fields=("owner", "key"), condition=Q(owner__isnull=False), name="news_private_once"
            ),
            models.CheckConstraint(condition=Q(score__gte=-1, score__lte=1), name="news_score_in_range"),
        ]
        indexes = [
            models.Index(fields=("symbol", "published_at"), name="news_symbol_time"),
            models.Index(fields=("-published_at", "-id"), name="news_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.published_at:%Y-%m-%d %H:%M}: {self.title[:60]}"

    @property
    def source_label(self) -> str:
        """The source in words."""
        return SOURCES.get(self.source, self.source)

    @property
    def words(self) -> tuple[scorer.Part, ...]:
        """What its score is made of; nothing for one that was given or that other rules made."""
        return scorer.score(self.title, self.summary).parts if self.scorer == scorer.VERSION else ()
