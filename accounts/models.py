"""Who uses the platform, and what each subscription tier allows."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class Tier(models.Model):
    """A subscription tier. Its limits are rows, so that an operator changes them in the admin, not in code.

    Null in a limit means "no limit".
    """

    FREE, BASIC, PREMIUM, ENTERPRISE = "FREE", "BASIC", "PREMIUM", "ENTERPRISE"

    code = models.CharField(max_length=16, primary_key=True)
    label = models.CharField(max_length=40)
    rank = models.PositiveSmallIntegerField(help_text="Order of the tiers, lowest first")
    max_active_sessions = models.PositiveIntegerField(null=True, blank=True)
    max_concurrent_backtests = models.PositiveIntegerField(null=True, blank=True)
    max_backtests_per_day = models.PositiveIntegerField(null=True, blank=True)
    max_backtest_bars = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Bars times symbols in one backtest"
    )
    max_saved_strategies = models.PositiveIntegerField(null=True, blank=True)
    max_upload_mb = models.PositiveIntegerField(null=True, blank=True)
    allows_custom_strategies = models.BooleanField(default=False)
    api_requests_per_minute = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ("rank",)

    def __str__(self) -> str:
        return self.label


def default_tier() -> str:
    return Tier.FREE


class User(AbstractUser):
    """A person with a login. Everything they own hangs off this row and is visible to nobody else."""

    email = models.EmailField("e-mail address", unique=True)
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, default=default_tier, related_name="users")
    timezone = models.CharField(max_length=64, default="UTC", help_text="IANA name; times on pages are shown in it")
