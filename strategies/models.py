"""Strategies that users keep: catalogue entries with their own parameters, and condition trees."""

from __future__ import annotations

from django.conf import settings as site
from django.db import models

from strategies import catalogue
from strategies.base import Strategy


class UserStrategy(models.Model):
    """A strategy of the catalogue with parameters (and settings of a run) that its owner gave a name.

    Writes go through `strategies.services`, which checks parameters and settings against their declarations.
    """

    owner = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_strategies")
    name = models.CharField(max_length=120)
    description = models.CharField(max_length=2_000, blank=True)
    strategy = models.CharField(max_length=60, help_text="Slug in the catalogue")
    strategy_type = models.CharField(max_length=40, help_text="Kind of the catalogue entry: trend, mean_reversion, …")
    parameters = models.JSONField(default=dict, help_text="Every parameter by name")
    settings = models.JSONField(default=dict, blank=True, help_text="Session settings that differ from the defaults")
    is_public = models.BooleanField(default=False, help_text="Others may read and copy it")
    # A plain id: backtests are a layer above, and the strategy outlives the backtest.
    source_backtest = models.UUIDField(null=True, blank=True, help_text="The backtest it was saved from")
    copied_from = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="copies")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "user_strategies"
        verbose_name_plural = "user strategies"
        ordering = ("-updated_at", "-id")
        constraints = [
            models.UniqueConstraint(fields=("owner", "name"), name="userstrategy_name_once"),
            models.CheckConstraint(condition=~models.Q(name=""), name="userstrategy_has_name"),
        ]
        indexes = [
            models.Index(fields=("owner", "-updated_at"), name="userstrategy_owner_updated"),
            models.Index(fields=("is_public", "strategy_type", "-updated_at"), name="userstrategy_public_type"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def declared(self) -> type[Strategy]:
        """Its catalogue entry. Raises InputError where that is no longer shipped."""
        return catalogue.get(self.strategy)

    @property
    def strategy_label(self) -> str:
        """The catalogue entry's label; its slug where it is no longer shipped."""
        return next((entry.label for entry in catalogue.all() if entry.slug == self.strategy), self.strategy)


class CustomStrategy(models.Model):
    """A strategy made of conditions: trees over the indicator registry, data and never code."""

    owner = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="custom_strategies")
    name = models.CharField(max_length=120)
    buy_conditions = models.JSONField(default=list)
    sell_conditions = models.JSONField(default=list)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "custom_strategies"
        verbose_name_plural = "custom strategies"
        ordering = ("-updated_at", "-id")
        constraints = [
            models.UniqueConstraint(fields=("owner", "name"), name="customstrategy_name_once"),
            models.CheckConstraint(condition=~models.Q(name=""), name="customstrategy_has_name"),
        ]
        indexes = [models.Index(fields=("owner", "-updated_at"), name="customstrategy_owner_updated")]

    def __str__(self) -> str:
        return self.name


# The gallery's tables belong to this app; Django looks for them here.
from strategies.gallery.models import Publication, Rating, Report  # noqa: E402, F401
