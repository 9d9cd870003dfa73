"""REST route of the indicators: what there is to compute, with its parameters."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from strategies import indicators
from strategies.serializers import ObjectField


class IndicatorSerializer(serializers.Serializer):
    """One indicator. Its values are computed by `strategies.indicators.calculate(name, bars, **parameters)`."""

    name = serializers.CharField()
    label = serializers.CharField()
    description = serializers.CharField()
    outputs = serializers.ListField(child=serializers.CharField(), help_text="Names of the lines it gives")
    pane = serializers.ChoiceField(choices=("price", "own"), help_text="Drawn over the prices or below them")
    parameters = serializers.ListField(child=ObjectField(), help_text="Name, type, default, bounds, step, label, help")


class IndicatorsSerializer(serializers.Serializer):
    """Every indicator, the shipped ones first."""

    indicators = IndicatorSerializer(many=True)


class Indicators(APIView):
    """What there is to compute on bars."""

    @extend_schema(operation_id="indicators", responses=IndicatorsSerializer)
    def get(self, request: Request) -> Response:
        """Every indicator with its parameters: those that condition trees, charts and strategies share."""
        return Response({"indicators": [indicator.declaration() for indicator in indicators.all()]})
