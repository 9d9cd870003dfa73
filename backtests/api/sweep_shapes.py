"""Shapes of the API of sweeps. They document what goes in and out; what a request means is checked by its reader."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from backtests.api.serializers import JOB_FIELDS, ObjectField, RunRequestSerializer, StrictSerializer
from backtests.models import Sweep
from backtests.sweeps.request import BETTER, METHODS
from backtests.sweeps.selectors import MOST_BEST
from backtests.sweeps.space import MOST_AXES, MOST_VALUES, OF
from tradingsite.lib.fields import QuerySerializer, StrictCharField, StrictIntegerField
from tradingsite.lib.schema import FaultSerializer


@extend_schema_field({"type": "array", "items": {}, "minItems": 1, "maxItems": MOST_VALUES})
class ValuesField(serializers.JSONField):
    """The values that one axis takes: of the parameter's or setting's own type."""


class AxisSerializer(StrictSerializer):
    """What is varied: a list of values, or for a number a range."""

    name = serializers.CharField(max_length=60, help_text="Of a strategy parameter or a session setting")
    of = serializers.ChoiceField(choices=OF, required=False, help_text="Default parameter")
    values = ValuesField(required=False, allow_null=True, help_text="In place of a range")
    to = serializers.FloatField(required=False, allow_null=True, help_text="Last value, included")
    step = serializers.FloatField(required=False, allow_null=True, help_text="Default: as declared")

    def get_fields(self) -> dict[str, serializers.Field]:
        # `from` is a word of Python.
        return super().get_fields() | {
            "from": serializers.FloatField(required=False, allow_null=True, help_text="First value")
        }


class ConstraintsSerializer(StrictSerializer):
    """What a combination must keep to be the best."""

    min_trades = serializers.IntegerField(required=False, allow_null=True, min_value=0, help_text="Round trips")
    max_drawdown_pct = serializers.FloatField(required=False, allow_null=True, min_value=0, max_value=100)


class SweepRequestSerializer(StrictSerializer):
    """The body of POST /api/sweeps."""

    name = serializers.CharField(required=False, allow_null=True, allow_blank=True, max_length=120)
    backtest = RunRequestSerializer(help_text="The run that every combination is a variant of")
    axes = AxisSerializer(many=True, min_length=1, max_length=MOST_AXES)
    method = serializers.ChoiceField(choices=METHODS, required=False, help_text="Default grid")
    trials = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, help_text="How many combinations; random and bayesian need it"
    )
    objective = serializers.CharField(required=False, max_length=60, help_text="Name of a metric. Default sharpe")
    better = serializers.ChoiceField(choices=BETTER, required=False, help_text="Default: as the metric says")
    constraints = ConstraintsSerializer(required=False, allow_null=True)
    seed = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=2**31 - 1)
    confirm_cautions = serializers.BooleanField(required=False, allow_null=True, help_text="Run it although unusual")


class CheckedSweepSerializer(serializers.Serializer):
    """What a sweep would take."""

    combinations = serializers.IntegerField(help_text="That would be run")
    of_all = serializers.IntegerField(help_text="That the axes make")
    bars = serializers.IntegerField(help_text="Bars times symbols of one combination, about; 0 where not known")
    estimate_s = serializers.FloatField(help_text="Seconds of one worker, a guess; several share them")
    refused_pct = serializers.FloatField(help_text="Of the combinations looked at, those that cannot be run")
    cautions = FaultSerializer(many=True)


class BestSerializer(serializers.Serializer):
    cell = serializers.IntegerField()
    objective = serializers.FloatField()
    feasible = serializers.BooleanField()


class SweepListSerializer(serializers.ModelSerializer):
    """One row of a list: what is swept, how far it is, the best so far."""

    symbols = serializers.ListField(child=serializers.CharField())
    best = BestSerializer(allow_null=True)

    class Meta:
        model = Sweep
        fields = (
            "id",
            "name",
            "state",
            "strategy",
            "strategy_label",
            "symbols",
            "timeframe",
            "method",
            "objective",
            "cells_total",
            "cells_done",
            "best",
            *JOB_FIELDS,
        )
        read_only_fields = fields


class SweepSerializer(SweepListSerializer):
    """One sweep with its exact request."""

    config = ObjectField(help_text="The request with every default filled in; sent again it gives this sweep again")

    class Meta(SweepListSerializer.Meta):
        fields = (
            *SweepListSerializer.Meta.fields,
            "config",
            "strategy_version",
            "chunks_total",
            "chunks_done",
            "engine_s",
            "signals_s",
            "data_hash",
        )
        read_only_fields = fields


class CellsQuerySerializer(QuerySerializer):
    after = serializers.IntegerField(required=False, default=0, min_value=0, max_value=2**31 - 1)


class CellsSerializer(serializers.Serializer):
    """Columns of the combinations that came in since `after`. Ask again with the new `after` while `more` is true."""

    after = serializers.IntegerField()
    more = serializers.BooleanField()
    cell = serializers.ListField(child=serializers.IntegerField(), help_text="Number: mixed radix over the axes")
    ok = serializers.ListField(child=serializers.IntegerField(), help_text="1 feasible, 0 not, -1 cannot be run")
    values = serializers.DictField(
        child=serializers.ListField(child=serializers.FloatField(allow_null=True)), help_text="By metric"
    )


class BestQuerySerializer(QuerySerializer):
    count = serializers.IntegerField(required=False, default=20, min_value=1, max_value=MOST_BEST)


class BestCellSerializer(serializers.Serializer):
    """One combination."""

    cell = serializers.IntegerField()
    parameters = ObjectField()
    settings = ObjectField()
    feasible = serializers.BooleanField()
    values = serializers.DictField(child=serializers.FloatField(allow_null=True))


class CellSerializer(StrictSerializer):
    cell = StrictIntegerField(min_value=0, max_value=2**53)


class SaveCellSerializer(CellSerializer):
    name = StrictCharField(max_length=120)
