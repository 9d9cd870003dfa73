"""Limits over everything that a user's bots do together, and the switches that end all entries."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

CAP: dict[str, Any] = {"max_digits": 20, "decimal_places": 2, "null": True, "blank": True}


class RiskEnvelope(models.Model):
    """One user's limits across all their bots, in the accounts' currency; null means no limit.

    Open positions and the notional of orders that rest or are on their way count alike. No row: no limits.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="risk_envelope"
    )
    gross_cap = models.DecimalField(**CAP, help_text="Most money in positions, longs and shorts added up")
    net_cap = models.DecimalField(**CAP, help_text="Most money by which longs exceed shorts, or shorts exceed longs")
    symbol_cap = models.DecimalField(**CAP, help_text="Most money in one symbol, long or short")
    max_sessions = models.PositiveIntegerField(null=True, blank=True, help_text="Trading sessions at once")
    groups = models.JSONField(default=dict, blank=True, help_text='{"Tech": {"symbols": ["AAPL"], "cap": "50000.00"}}')
    kill_switch = models.BooleanField(default=False)
    kill_reason = models.CharField(max_length=200, blank=True)
    kill_at = models.DateTimeField(null=True, blank=True, help_text="When the switch was last thrown, on or off")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__gt": 0}), name=f"risk_{name}_above_zero"
            )
            for name in ("gross_cap", "net_cap", "symbol_cap")
        ]

    def __str__(self) -> str:
        return f"limits of user {self.user_id}" + (" (kill switch on)" if self.kill_switch else "")

    @property
    def named_groups(self) -> list[tuple[str, dict[str, Any]]]:
        """(name, {symbols, cap}) by name: PostgreSQL keeps the keys of a JSON object in an order of its own."""
        return sorted(self.groups.items())


class PlatformSwitch(models.Model):
    """The operators' kill switch for everybody. One row at most; none: off."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    on = models.BooleanField(default=False)
    reason = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(null=True, blank=True)
    by = models.CharField(max_length=150, blank=True, help_text="The operator's name")

    class Meta:
        verbose_name_plural = "platform switches"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_platform_switch")]

    def __str__(self) -> str:
        return "on" if self.on else "off"
