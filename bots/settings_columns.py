"""Database columns for the declared session settings."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import models

from strategies import session_settings
from strategies.params import BoolParam, ChoiceParam, DaysParam, IntParam, MoneyParam, Param, TimeParam
from strategies.session_settings import SETTINGS


def settings_columns(module: str) -> type[models.Model]:
    """An abstract model in `module` with one column for each declared setting, under the setting's name.

    The declaration stays the only description: a new setting shows up as a missing migration.
    """

    class Meta:
        abstract = True

    columns = {name: column(param) for name, param in SETTINGS.items()}
    return type("SettingsColumns", (models.Model,), {"__module__": module, "Meta": Meta, **columns})


def column(param: Param[Any]) -> models.Field[Any, Any]:
    """The column that holds a cleaned value of `param`. Money is Decimal; ratios and percentages are no money."""
    # Labels and help texts stay out: their wording would ask for a migration each time.
    if isinstance(param, DaysParam):
        return models.JSONField(default=exchange_week)
    if isinstance(param, ChoiceParam):
        return models.CharField(max_length=20, choices=list(param.choices.items()), default=param.default)
    if isinstance(param, BoolParam):
        return models.BooleanField(default=param.default)
    common: dict[str, Any] = {"null": param.optional, "blank": param.optional, "default": param.default}
    if isinstance(param, TimeParam):
        return models.TimeField(**common)
    if isinstance(param, IntParam):
        return models.BigIntegerField(**common)
    if isinstance(param, MoneyParam):
        return models.DecimalField(max_digits=24, decimal_places=8, **common)
    return models.FloatField(**common)


def exchange_week() -> list[str]:
    """The default trading days, a new list each time."""
    return list(SETTINGS["trading_days"].default)


def to_columns(cleaned: Mapping[str, Any]) -> dict[str, Any]:
    """Cleaned settings as the columns of a row hold them."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in cleaned.items()}


def from_columns(row: models.Model) -> dict[str, Any]:
    """The cleaned settings that a row holds; `from_columns` of a saved `to_columns(s)` is `s`."""
    plain = {name: getattr(row, name) for name in SETTINGS}
    plain = {name: float(value) if isinstance(value, Decimal) else value for name, value in plain.items()}
    return session_settings.clean(session_settings.as_json(plain))
