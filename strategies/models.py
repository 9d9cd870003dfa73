"""Strategies that users keep: catalogue entries with their own parameters, and condition trees."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings as site
from django.db import models

from strategies import catalogue
from strategies.base import Strategy

TREES = ("buy", "sell", "short", "cover")


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
        return catalogue.label_of(self.strategy)


class CustomStrategy(models.Model):
    """A strategy made of conditions: trees over the indicator registry, data and never code.

    The trees are canonical (`strategies.conditions`), null where the strategy has none. A run copies them: a later
    change of the row changes no stored backtest and no session that runs. Writes go through
    `strategies.services.custom`; a worker checks each saved tree and writes what it found.
    """

    class Check(models.TextChoices):
        PENDING = "pending", "Being checked"
        OK = "ok", "Passed"
        FAILED = "failed", "Failed"

    owner = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="custom_strategies")
    name = models.CharField(max_length=120)
    description = models.CharField(max_length=2_000, blank=True)
    buy_conditions = models.JSONField(null=True, blank=True, default=None, help_text="When to buy")
    sell_conditions = models.JSONField(null=True, blank=True, default=None, help_text="When to sell what was bought")
    short_conditions = models.JSONField(null=True, blank=True, default=None, help_text="When to sell short")
    cover_conditions = models.JSONField(null=True, blank=True, default=None, help_text="When to buy back")
    is_active = models.BooleanField(default=True, help_text="Whether new runs may use it")
    is_public = models.BooleanField(default=False, help_text="Others may read and copy it")
    revision = models.PositiveIntegerField(default=1, help_text="Counts the changes of its conditions")
    check_state = models.CharField(max_length=8, choices=Check, default=Check.PENDING)
    check_reason = models.CharField(max_length=500, blank=True, help_text="Why the check failed, in plain words")
    check_report = models.JSONField(null=True, blank=True, help_text="What the causality check measured")
    check_version = models.CharField(max_length=12, blank=True, help_text="Version of the evaluation that was checked")
    check_sent_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    # Both come with the check: they need the indicator library, which no web process loads.
    warmup = models.PositiveIntegerField(null=True, blank=True, help_text="Bars that its conditions need, as declared")
    measured_warmup = models.PositiveIntegerField(null=True, blank=True, help_text="Bars that they need, as measured")
    copied_from = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="copies")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "custom_strategies"
        verbose_name_plural = "custom strategies"
        ordering = ("-updated_at", "-id")
        constraints = [
            models.UniqueConstraint(fields=("owner", "name"), name="customstrategy_name_once"),
            models.CheckConstraint(condition=~models.Q(name=""), name="customstrategy_has_name"),
            models.CheckConstraint(
                condition=models.Q(buy_conditions__isnull=False) | models.Q(short_conditions__isnull=False),
                name="customstrategy_may_enter",
            ),
        ]
        indexes = [
            models.Index(fields=("owner", "-updated_at"), name="customstrategy_owner_updated"),
            models.Index(fields=("is_public", "-updated_at"), name="customstrategy_public"),
            models.Index(fields=("check_state", "check_version"), name="customstrategy_check"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def parameters(self) -> dict[str, Any]:
        """Its trees as `strategy_parameters` of the strategy `conditions`."""
        return {name: getattr(self, f"{name}_conditions") for name in TREES}


class ConditionTest(models.Model):
    """A look at trees over bars that a worker takes for somebody: what was asked, and what came of it.

    Kept for an hour (`strategies.services.trials`).
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waits for a worker"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    ACTIVE = (State.QUEUED, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="condition_tests")
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    request = models.JSONField(help_text="The cleaned request")
    result = models.JSONField(null=True, blank=True)
    failure_code = models.CharField(max_length=40, blank=True)
    failure_reason = models.CharField(max_length=500, blank=True)
    failure_faults = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "condition_tests"
        ordering = ("-created_at", "-id")
        indexes = [
            models.Index(fields=("owner", "state"), name="conditiontest_owner_state"),
            models.Index(fields=("created_at",), name="conditiontest_created"),
        ]

    def __str__(self) -> str:
        return f"{self.request.get('symbol', '')} {self.request.get('timeframe', '')}".strip()


# The gallery's tables belong to this app; Django looks for them here.
from strategies.gallery.models import Publication, Rating, Report  # noqa: E402, F401
