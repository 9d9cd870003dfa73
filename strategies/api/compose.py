"""The route that puts several strategies together as one."""

from __future__ import annotations

from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from strategies.ensemble import LEAST_MEMBERS, MOST_MEMBERS, Ensemble
from strategies.ensemble.members import ENABLED, NAME_LENGTH, TIMEFRAME, WEIGHT
from strategies.schemas import object_schema, value_schema
from strategies.serializers import ObjectField, SettingsField, StrategySerializer
from strategies.services import DESCRIPTION_LENGTH, composing
from strategies.services import NAME_LENGTH as SAVED_NAME_LENGTH
from tradingsite.lib.fields import StrictBooleanField, StrictCharField, StrictSerializer
from tradingsite.lib.schema import errors_for

_ID = {"type": "integer", "minimum": 1, "nullable": True}
_MEMBER = {
    "type": "object",
    "description": "One of strategy (with parameters), saved_strategy_id and custom_strategy_id",
    "properties": {
        "strategy": {"type": "string", "description": "Slug in the catalogue"},
        "parameters": {"type": "object", "additionalProperties": True},
        "saved_strategy_id": {**_ID, "description": "A saved strategy, yours or public; copied as it is now"},
        "custom_strategy_id": {**_ID, "description": "A custom strategy, yours or public; copied as it is now"},
        "name": {"type": "string", "maxLength": NAME_LENGTH},
        **{param.name: value_schema(param.declaration()) for param in (WEIGHT, ENABLED, TIMEFRAME)},
    },
    "additionalProperties": False,
}
_PARAMETERS = [param.declaration() for name, param in Ensemble.params.items() if name != "members"]


@extend_schema_field({"type": "array", "items": _MEMBER, "minItems": LEAST_MEMBERS, "maxItems": MOST_MEMBERS})
class MembersField(serializers.Field):
    """The members; the service checks each by its strategy's own declaration."""

    default_error_messages = {"wrong_type": "Must be a list of members."}

    def to_internal_value(self, data: object) -> list[object]:
        if not isinstance(data, list):
            self.fail("wrong_type")
        return data


@extend_schema_field(object_schema(_PARAMETERS))
class EnsembleParametersField(ObjectField):
    """The ensemble's own parameters, without the members."""


class ComposeRequestSerializer(StrictSerializer):
    """An ensemble as sent."""

    name = StrictCharField(max_length=SAVED_NAME_LENGTH, help_text="Yours only once")
    members = MembersField(help_text="The strategies that vote")
    parameters = EnsembleParametersField(default=dict, help_text="How they vote; the rest have their defaults")
    enabled_strategies = serializers.ListField(
        child=StrictCharField(max_length=NAME_LENGTH),
        required=False,
        max_length=MOST_MEMBERS,
        help_text="Names or slugs of the members that vote; without it each member's own enabled counts",
    )
    description = StrictCharField(max_length=DESCRIPTION_LENGTH, allow_blank=True, default="", trim_whitespace=False)
    settings = SettingsField(default=dict, help_text="Session settings that differ from the defaults")
    is_public = StrictBooleanField(default=False, help_text="Others may read and copy it")


class ComposeStrategy(APIView):
    """Put several strategies together as one."""

    @extend_schema(
        operation_id="strategies_compose",
        request=ComposeRequestSerializer,
        responses={201: OpenApiResponse(StrategySerializer, description="Saved"), **errors_for(409, 422)},
    )
    def post(self, request: Request) -> Response:
        """Save an ensemble of catalogue, saved and custom strategies; each is copied as it is now.

        409 when you have a strategy of that name already, 403 at your tier's limit, or for conditions on a tier without
        them, 422 for a custom strategy that is switched off or failed its check.
        """
        reader = ComposeRequestSerializer(data=request.data)
        reader.is_valid(raise_exception=True)
        row = composing.compose(request.user, **reader.validated_data)
        headers = {"Location": reverse("strategies-api:detail", args=[row.pk])}
        shown = StrategySerializer(row, context={"request": request}).data
        return Response(shown, status=status.HTTP_201_CREATED, headers=headers)
