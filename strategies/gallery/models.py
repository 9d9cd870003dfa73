"""What stands in the gallery: publications with their figures, ratings of them, reports about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings as site
from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from strategies.models import CustomStrategy, UserStrategy

HASH_LENGTH, DESCRIPTION_LENGTH = 16, 2_000


class Publication(models.Model):
    """A strategy in the gallery and the figures that the platform computed of it.

    It is of one saved strategy: made from the catalogue, or of conditions. Withdrawn, it stays with its ratings
    (`is_listed`), so that publishing again wipes nothing away. `choice` is a hash of all that its owner chose
    (conditions or parameters, settings, market); `choice_since` is when that last changed, and only bars after it are
    out of sample. `version` adds the code that decides the signals: figures of another version are stale.
    """

    class State(models.TextChoices):
        QUEUED = "QUEUED", "Queued"
        RUNNING = "RUNNING", "Running"
        DONE = "DONE", "Done"
        FAILED = "FAILED", "Failed"

    owner = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="publications")
    strategy = models.OneToOneField(
        "strategies.UserStrategy", null=True, blank=True, on_delete=models.CASCADE, related_name="publication"
    )
    custom_strategy = models.OneToOneField(
        "strategies.CustomStrategy", null=True, blank=True, on_delete=models.CASCADE, related_name="publication"
    )
    name = models.CharField(max_length=120)
    description = models.CharField(max_length=DESCRIPTION_LENGTH)
    kind = models.CharField(max_length=40, help_text="Kind of the catalogue entry, or conditions")
    is_listed = models.BooleanField(default=True, help_text="Its owner has it public")
    hidden = models.BooleanField(default=False, help_text="Taken out of the gallery by an operator")
    hidden_reason = models.CharField(max_length=500, blank=True, help_text="What its owner is told")
    copies = models.PositiveIntegerField(default=0, help_text="How often others copied it")
    published_at = models.DateTimeField(help_text="When it was first published")

    # What the figures are to be of.
    source = models.CharField(max_length=16, default="sample")
    symbols = models.JSONField(default=list)
    timeframe = models.CharField(max_length=4, default="1d")
    own_data = models.BooleanField(default=False, help_text="The prices are its owner's own: nobody else can check")
    choice = models.CharField(max_length=HASH_LENGTH)
    choice_since = models.DateTimeField(help_text="Bars after this moment are out of sample")
    version = models.CharField(max_length=HASH_LENGTH)

    # How the computing goes, and what came of it.
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    started_at = models.DateTimeField(null=True, blank=True)
    measured_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=500, blank=True, help_text="Why there are no figures")
    figures_version = models.CharField(max_length=HASH_LENGTH, blank=True)
    data_hash = models.CharField(max_length=64, blank=True)
    figures = models.JSONField(default=dict, blank=True)
    chart = models.JSONField(default=dict, blank=True)

    # The figures that lists sort by: those of the judged part, never of the part in sample.
    judged_return_pct = models.FloatField(null=True, blank=True)
    judged_sharpe = models.FloatField(null=True, blank=True)
    judged_drawdown_pct = models.FloatField(null=True, blank=True)
    judged_trades = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        db_table = "strategy_publications"
        ordering = ("-published_at", "-id")
        constraints = [
            models.CheckConstraint(
                condition=Q(strategy__isnull=False, custom_strategy__isnull=True)
                | Q(strategy__isnull=True, custom_strategy__isnull=False),
                name="publication_of_one_strategy",
            ),
        ]
        indexes = [
            models.Index(fields=("is_listed", "hidden", "-published_at"), name="publication_listed"),
            models.Index(fields=("state", "started_at"), name="publication_state"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def subject(self) -> UserStrategy | CustomStrategy:
        """The saved strategy that it is of."""
        found = self.strategy or self.custom_strategy
        if found is None:
            raise ValueError(f"publication {self.pk} is of no strategy")
        return found

    @property
    def is_shown(self) -> bool:
        """Whether others see it."""
        return self.is_listed and not self.hidden

    @property
    def is_stale(self) -> bool:
        """Whether its figures are those of another version than the one that is published now."""
        return bool(self.figures) and self.figures_version != self.version


class Rating(models.Model):
    """What one user thinks of one published strategy. One each; writing again replaces it."""

    publication = models.ForeignKey(Publication, on_delete=models.CASCADE, related_name="ratings")
    user = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="strategy_ratings")
    stars = models.PositiveSmallIntegerField()
    comment = models.CharField(max_length=500, blank=True)
    choice = models.CharField(max_length=HASH_LENGTH, help_text="What was rated, as `Publication.choice`")
    hidden = models.BooleanField(default=False, help_text="Comment and stars taken away by an operator")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "strategy_ratings"
        ordering = ("-updated_at", "-id")
        constraints = [
            models.UniqueConstraint(fields=("publication", "user"), name="rating_once"),
            models.CheckConstraint(condition=Q(stars__gte=1, stars__lte=5), name="rating_stars"),
        ]

    def __str__(self) -> str:
        return f"{self.stars} of 5"


class Report(models.Model):
    """A user tells the operators that something published should not be there."""

    publication = models.ForeignKey(Publication, on_delete=models.CASCADE, related_name="reports")
    user = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="strategy_reports")
    reason = models.CharField(max_length=500)
    resolved_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "strategy_reports"
        ordering = ("-created_at", "-id")
        constraints = [models.UniqueConstraint(fields=("publication", "user"), name="report_once")]

    def __str__(self) -> str:
        return self.reason[:60]
