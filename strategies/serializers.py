"""Shapes of the saved-strategy routes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from strategies import catalogue, session_settings
from strategies.gallery.serializers import OpinionsSerializer
from strategies.models import UserStrategy
from strategies.schemas import object_schema
from strategies.services import DESCRIPTION_LENGTH, NAME_LENGTH
from tradingsite.lib.fields import (
    QuerySerializer,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictSerializer,
)

SLUGS = [declared.slug for declared in catalogue.all()]
TYPES = sorted({declared.kind for declared in catalogue.all()})


@extend_schema_field(OpenApiTypes.OBJECT)
class ObjectField(serializers.Field):
    """A JSON object whose names and values the service checks against a declaration."""

    default_error_messages = {"wrong_type": "Must be an object of names and values."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("wrong_type")
        return data

    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:
        return value


@extend_schema_field(object_schema(session_settings.declarations()))
class SettingsField(ObjectField):
    """Session settings by name; the document lists them all."""


class StrategyRequestSerializer(StrictSerializer):
    """A saved strategy as sent. What is left out of a POST or PUT has its default."""

    name = StrictCharField(max_length=NAME_LENGTH, help_text="Yours only once")
    description = StrictCharField(max_length=DESCRIPTION_LENGTH, allow_blank=True, default="", trim_whitespace=False)
    strategy = StrictChoiceField(choices=SLUGS, help_text="Slug in the catalogue: GET /api/backtest/strategies")
    parameters = ObjectField(
        default=dict, help_text="By name, as the catalogue declares them; the rest have their defaults"
    )
    settings = SettingsField(default=dict, help_text="Session settings that differ from the defaults")
    is_public = StrictBooleanField(default=False, help_text="Others may read and copy it")


class CopyRequestSerializer(StrictSerializer):
    """How the copy is called; without a name it is called like the original."""

    name = StrictCharField(max_length=NAME_LENGTH, required=False)


class StrategyQuerySerializer(QuerySerializer):
    """Filters of the lists."""

    type = serializers.ChoiceField(choices=TYPES, required=False, help_text="Kind of strategy")
    strategy = serializers.ChoiceField(choices=SLUGS, required=False, help_text="Slug in the catalogue")


class StrategySerializer(serializers.ModelSerializer):
    """A saved strategy. Of somebody else's, where it came from is not told."""

    owner = serializers.CharField(source="owner.username", help_text="User name of its owner")
    is_own = serializers.SerializerMethodField(help_text="Whether it is yours, to change and delete")
    parameters = ObjectField()
    settings = SettingsField()
    source_backtest = serializers.SerializerMethodField(help_text="The backtest it was saved from")
    copied_from = serializers.SerializerMethodField(help_text="The strategy it was copied from")

    class Meta:
        model = UserStrategy
        fields = (
            "id",
            "name",
            "description",
            "strategy",
            "strategy_type",
            "parameters",
            "settings",
            "is_public",
            "owner",
            "is_own",
            "source_backtest",
            "copied_from",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    def get_is_own(self, row: UserStrategy) -> bool:
        return row.owner_id == self.context["request"].user.pk

    @extend_schema_field({"type": "string", "format": "uuid", "nullable": True})
    def get_source_backtest(self, row: UserStrategy) -> str | None:
        return str(row.source_backtest) if row.source_backtest and self.get_is_own(row) else None

    @extend_schema_field({"type": "integer", "nullable": True})
    def get_copied_from(self, row: UserStrategy) -> int | None:
        return row.copied_from_id if self.get_is_own(row) else None


class PublicStrategySerializer(StrategySerializer):
    """A public strategy, with its figures and ratings; null in the moments before it is in the gallery."""

    gallery = OpinionsSerializer(source="in_gallery", allow_null=True)

    class Meta(StrategySerializer.Meta):
        fields = (*StrategySerializer.Meta.fields, "gallery")
        read_only_fields = fields
