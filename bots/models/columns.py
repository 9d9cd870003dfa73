"""Column shapes that several tables share."""

from __future__ import annotations

from typing import Any

from django.db import models

PRICE: dict[str, Any] = {"max_digits": 20, "decimal_places": 8}
MONEY: dict[str, Any] = {"max_digits": 24, "decimal_places": 8}
QUANTITY: dict[str, Any] = {"max_digits": 28, "decimal_places": 12}


class Mode(models.TextChoices):
    PAPER = "PAPER", "Paper"
    LIVE = "LIVE", "Live"


class Side(models.TextChoices):
    BUY = "BUY", "Buy"
    SELL = "SELL", "Sell"


class AppendOnly(models.Model):
    """A row of history: inserted once, never edited."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Inserts it. Raises ValueError for one that is there already."""
        if not self._state.adding:
            raise ValueError(f"a {self._meta.verbose_name} is never edited; a correction is another row")
        super().save(*args, **kwargs)
