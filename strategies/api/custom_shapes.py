"""Shapes of the routes of custom strategies. What a tree may be is checked by `strategies.conditions`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from marketdata import symbols as symbol_rule
from marketdata.models.instrument import Source
from strategies.gallery.serializers import OpinionsSerializer
from strategies.models import TREES, ConditionTest, CustomStrategy
from strategies.selectors import MAX_ID
from strategies.services import DESCRIPTION_LENGTH, NAME_LENGTH, custom, trials
from tradingsite.lib.fields import StrictSerializer
from tradingsite.lib.schema import FaultSerializer

_TREE = "A node of conditions, or a list of nodes that must all be true; see the guide to conditions"
_SYMBOL = f"^{symbol_rule.SYMBOL.replace('A-Z', 'A-Za-z')}$"  # small letters are taken too


@extend_schema_field(
    {"oneOf": [{"type": "object", "additionalProperties": {}}, {"type": "array", "items": {}}], "nullable": True}
)
class TreeField(serializers.JSONField):
    """A tree as sent."""


@extend_schema_field({"nullable": True})
class AnyField(serializers.JSONField):
    """Whatever somebody takes for a tree."""


@extend_schema_field({"type": "object", "additionalProperties": {}, "nullable": True})
class CanonicalField(serializers.JSONField):
    """A tree in its canonical form; null where there is none."""


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string", "nullable": True}})
class SentencesField(serializers.Field):
    """Words by tree: buy, sell, short, cover; null where there is none."""

    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:
        return value


def _trees(field: type[serializers.Field], **options: Any) -> dict[str, serializers.Field]:
    words = {"buy": "When to buy", "sell": "When to sell", "short": "When to sell short", "cover": "When to buy back"}
    return {f"{name}_conditions": field(help_text=f"{words[name]}. {_TREE}", **options) for name in TREES}


class TreesSerializer(StrictSerializer):
    """Trees to look at; nothing is kept."""

    def get_fields(self) -> dict[str, serializers.Field]:
        return {**_trees(AnyField, required=False, allow_null=True), **super().get_fields()}


class CustomRequestSerializer(StrictSerializer):
    """A custom strategy as sent; it needs conditions to buy or to sell short."""

    name = serializers.CharField(max_length=NAME_LENGTH, help_text="Yours only once")
    description = serializers.CharField(required=False, allow_blank=True, max_length=DESCRIPTION_LENGTH)
    is_active = serializers.BooleanField(required=False, help_text="Whether new runs may use it; default true")
    is_public = serializers.BooleanField(required=False, help_text="Others may read and copy it; default false")

    def get_fields(self) -> dict[str, serializers.Field]:
        return {**super().get_fields(), **_trees(TreeField, required=False, allow_null=True)}


class CausalityCheckSerializer(serializers.Serializer):
    """What the causality check said of the trees as they are now."""

    state = serializers.ChoiceField(choices=CustomStrategy.Check.choices, source="check_state")
    reason = serializers.CharField(source="check_reason", help_text="Why it failed; empty otherwise")
    checked_at = serializers.DateTimeField(allow_null=True)
    report = CanonicalField(source="check_report", help_text="What was measured, on made prices; null until then")


class CustomStrategySerializer(serializers.ModelSerializer):
    """A custom strategy. Of somebody else's, where it came from is not told."""

    buy_conditions = CanonicalField()
    sell_conditions = CanonicalField()
    short_conditions = CanonicalField()
    cover_conditions = CanonicalField()
    sentences = serializers.SerializerMethodField(help_text="Each tree in words")
    nodes = serializers.SerializerMethodField()
    owner = serializers.CharField(source="owner.username", help_text="User name of its owner")
    is_own = serializers.SerializerMethodField(help_text="Whether it is yours, to change and delete")
    check = CausalityCheckSerializer(source="*")
    copied_from = serializers.SerializerMethodField(help_text="The strategy it was copied from")

    class Meta:
        model = CustomStrategy
        fields = (
            "id", "name", "description", *custom.COLUMNS, "sentences", "nodes", "warmup", "measured_warmup",
            "is_active", "is_public", "owner", "is_own", "check", "copied_from", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "string", "nullable": True}})
    def get_sentences(self, row: CustomStrategy) -> dict[str, str | None]:
        return custom.sentences(row.parameters)

    def get_nodes(self, row: CustomStrategy) -> int:
        return custom.size(row.parameters)["nodes"]

    def get_is_own(self, row: CustomStrategy) -> bool:
        return row.owner_id == self.context["request"].user.pk

    @extend_schema_field({"type": "integer", "nullable": True})
    def get_copied_from(self, row: CustomStrategy) -> int | None:
        return row.copied_from_id if self.get_is_own(row) else None


class PublicCustomStrategySerializer(CustomStrategySerializer):
    """A public custom strategy, with its figures and ratings; null in the moments before it is in the gallery."""

    gallery = OpinionsSerializer(source="in_gallery", allow_null=True)

    class Meta(CustomStrategySerializer.Meta):
        fields = (*CustomStrategySerializer.Meta.fields, "gallery")
        read_only_fields = fields


class ConditionsCheckedSerializer(serializers.Serializer):
    """What there is to say about trees."""

    valid = serializers.BooleanField()
    errors = FaultSerializer(many=True, help_text="Each with the path of the node: buy_conditions.children[2].right")
    sentences = SentencesField(help_text="Each tree without a fault in words")
    nodes = serializers.IntegerField()
    depth = serializers.IntegerField()

    def get_fields(self) -> dict[str, serializers.Field]:
        return {**super().get_fields(), **_trees(CanonicalField)}


class ConditionTestRequestSerializer(StrictSerializer):
    """Trees, or a custom strategy by id, and the bars to look at."""

    custom_strategy_id = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_ID, help_text="One of yours, or a public one"
    )
    symbol = serializers.RegexField(_SYMBOL, max_length=symbol_rule.MAX_LENGTH)
    timeframe = serializers.ChoiceField(choices=trials.TIMEFRAMES, required=False, help_text="Default 1d")
    start_date = serializers.DateField(required=False, allow_null=True, help_text="Default: the first bar there is")
    end_date = serializers.DateField(required=False, allow_null=True, help_text="Included. Default: the last bar")
    source = serializers.ChoiceField(choices=Source.values, required=False, help_text="Default sample")
    explain_at = serializers.ListField(
        child=serializers.JSONField(),
        required=False,
        max_length=trials.MOST_EXPLAINED,
        help_text="Bars to explain: indexes, or starts of bars in ISO-8601 with their zone",
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        return {**_trees(TreeField, required=False, allow_null=True), **super().get_fields()}


class ConditionTestSerializer(serializers.ModelSerializer):
    """A look at trees over bars: how it stands, and what was seen."""

    result = serializers.JSONField(
        allow_null=True,
        help_text="chart (candles and indicator lines), signals by tree with count, indexes and times, actions, "
        "warmup, sentences, explained; null until it is done",
    )
    failure_faults = FaultSerializer(many=True)

    class Meta:
        model = ConditionTest
        fields = (
            "id", "state", "result", "failure_code", "failure_reason", "failure_faults", "created_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields
