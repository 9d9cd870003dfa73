"""Symbols that a user keeps an eye on."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Watchlist(models.Model):
    """One user's symbols, in their own order. A symbol need not be one that we have prices of."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="watchlist"
    )
    symbols = models.JSONField(default=list)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{len(self.symbols)} symbols of user {self.user_id}"
