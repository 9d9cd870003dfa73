"""Fields that several shapes share. Money, prices and quantities are texts: a JSON number would lose digits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bots.services.requests import MAX_SYMBOL_LENGTH
from marketdata import symbols as symbol_rule
from strategies import session_settings
from strategies.schemas import object_schema
from tradingsite.lib.fields import QuerySerializer

SYMBOL = rf"^{symbol_rule.SYMBOL.replace('A-Z', 'A-Za-z').replace('{0,31}', f'{{0,{MAX_SYMBOL_LENGTH - 1}}}')}$"
BIGGEST_ID = 2**63 - 1


@extend_schema_field({"type": "string", "format": "decimal", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"})
class DecimalText(serializers.Field):
    """A Decimal as plain digits, without trailing zeros."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: Decimal | int) -> str:
        return plain(value)


def plain(value: Decimal | int) -> str:
    """A Decimal as plain digits, without trailing zeros; never "-0"."""
    text = f"{Decimal(value).normalize():f}"
    return "0" if text == "-0" else text


@extend_schema_field(OpenApiTypes.OBJECT)
class ObjectField(serializers.JSONField):
    """An object whose names are not known before the run."""


@extend_schema_field(object_schema(session_settings.declarations()))
class SettingsField(serializers.JSONField):
    """Session settings by name, as declared."""


class IdField(serializers.IntegerField):
    """The id of a row, in a query."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=BIGGEST_ID, **kwargs)


class SinceUntil(QuerySerializer):
    """A stretch of time, [since, until)."""

    since = serializers.DateTimeField(required=False, help_text="From this moment on")
    until = serializers.DateTimeField(required=False, help_text="Before this moment")


def sorts(columns: tuple[str, ...]) -> list[str]:
    """The choices of a sort: each column rising, and with "-" falling."""
    return [sign + column for column in columns for sign in ("", "-")]
