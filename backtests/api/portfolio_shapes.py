"""Shapes of the API of portfolio studies. They document what goes in and out; a request's reader checks it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from backtests.api.serializers import JOB_FIELDS, SYMBOL, MarketSerializer, ObjectField, SettingsField, StrictSerializer
from backtests.models import AllocationStudy
from backtests.portfolios import selectors
from backtests.portfolios.request import REBALANCE
from backtests.portfolios.services import WHICH
from marketdata import symbols as symbol_rule
from strategies.allocation import MOST_SYMBOLS
from tradingsite.lib.fields import StrictCharField
from tradingsite.lib.schema import FaultSerializer


class StudyRequestSerializer(MarketSerializer):
    """The body of POST /api/portfolios. Absent and null mean the default."""

    symbols = serializers.ListField(
        child=serializers.RegexField(SYMBOL, max_length=symbol_rule.MAX_LENGTH), min_length=2, max_length=MOST_SYMBOLS
    )
    parameters = ObjectField(
        required=False,
        allow_null=True,
        help_text="Of the strategy allocation, as declared at GET /api/backtest/strategies: method, limits, views, …",
    )
    rebalance = serializers.ChoiceField(
        choices=list(REBALANCE), required=False, allow_null=True, help_text="When holdings follow. Default monthly"
    )
    settings = SettingsField(
        required=False, allow_null=True, help_text="Session settings of the backtest: costs above all"
    )
    account_limits = serializers.BooleanField(
        required=False,
        allow_null=True,
        help_text="Limits of your account and settings bound weights. Default true",
    )


class CapSerializer(serializers.Serializer[Any]):
    """A limit of the account or of the settings, as a share of the study's capital."""

    name = serializers.CharField()
    label = serializers.CharField()
    kind = serializers.ChoiceField(choices=("total", "symbol", "group"))
    most_pct = serializers.FloatField()
    symbols = serializers.ListField(child=serializers.CharField(), help_text="Of a group")


class CutSerializer(serializers.Serializer[Any]):
    """A limit of the account that the weights exceed: at it a session's entries would be made smaller, or refused."""

    name = serializers.CharField()
    label = serializers.CharField()
    what = serializers.CharField(help_text="A symbol, the symbols of a group, or All positions")
    weight_pct = serializers.FloatField()
    most_pct = serializers.FloatField()


class CheckedStudySerializer(serializers.Serializer[Any]):
    """What would be asked of the optimiser."""

    config = ObjectField(help_text="The request with every default filled in, the account's limits in it")
    bars = serializers.IntegerField(help_text="Bars times symbols, about; 0 where not known")
    caps = CapSerializer(many=True)
    cautions = FaultSerializer(many=True)


class StudyListSerializer(serializers.ModelSerializer[AllocationStudy]):
    """One row of a list: what was asked, how it stands, the headline figures (null until it is done)."""

    symbols = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = AllocationStudy
        fields = (
            "id",
            "name",
            "state",
            "method",
            "symbols",
            "timeframe",
            "rebalance",
            "expected_return_pct",
            "volatility_pct",
            "total_return_pct",
            "equal_return_pct",
            "synthetic",
            *JOB_FIELDS,
        )
        read_only_fields = fields


class StudySerializer(StudyListSerializer):
    """One study, whole."""

    config = ObjectField(help_text="The request with every default filled in; sent again it gives this study again")
    failure_faults = FaultSerializer(many=True, help_text="What to change")
    document = ObjectField(
        allow_null=True,
        help_text="weights, chosen and equal (figures), frontier, correlation, history, backtest; null until done",
    )
    cuts = serializers.SerializerMethodField(help_text="Limits of your account, as they are now, that weights exceed")

    class Meta(StudyListSerializer.Meta):
        fields = (
            *StudyListSerializer.Meta.fields,
            "phase",
            "steps_done",
            "steps_total",
            "config",
            "failure_faults",
            "document",
            "cuts",
            "notes",
            "strategy_version",
            "engine_version",
            "data_hash",
        )
        read_only_fields = fields

    @extend_schema_field(CutSerializer(many=True))
    def get_cuts(self, study: AllocationStudy) -> list[dict[str, Any]]:
        return [cut.as_dict() for cut in selectors.cuts(study)]


class SaveStudySerializer(StrictSerializer):
    name = StrictCharField(max_length=120)


class OpenStudySerializer(StrictSerializer):
    which = serializers.ChoiceField(choices=WHICH, help_text="The chosen weights, or equal ones")
