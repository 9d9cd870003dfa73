"""Shapes of the API. They document exactly what goes in and out; what a request means is checked by the runner."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from backtests import selectors
from backtests.models import Backtest, PerformanceRecord
from backtests.runner.config import ADJUSTMENTS, MAX_CAPITAL, MAX_SYMBOLS, MIN_CAPITAL, TIMEFRAMES
from marketdata import symbols as symbol_rule
from strategies import catalogue, session_settings
from strategies.schemas import object_schema
from tradingsite.lib.fields import QuerySerializer, StrictCharField, StrictSerializer
from tradingsite.lib.schema import FaultSerializer

JOB_FIELDS = ("created_at", "started_at", "finished_at", "failure_code", "failure_reason")
SYMBOL = f"^{symbol_rule.SYMBOL.replace('A-Z', 'A-Za-z')}$"  # small letters are taken too


@extend_schema_field(OpenApiTypes.OBJECT)
class ObjectField(serializers.JSONField):
    """An object whose names are not known before the run."""


@extend_schema_field(object_schema(session_settings.declarations()))
class SettingsField(serializers.JSONField):
    """Session settings by name, as declared."""


class MarketSerializer(StrictSerializer):
    """What of a market a run is over, and with how much."""

    timeframe = serializers.ChoiceField(choices=TIMEFRAMES, required=False, allow_null=True, help_text="Default 1d")
    start_date = serializers.DateField(required=False, allow_null=True, help_text="Default: the first bar there is")
    end_date = serializers.DateField(required=False, allow_null=True, help_text="Included. Default: the last bar")
    initial_capital = serializers.FloatField(
        required=False,
        allow_null=True,
        min_value=MIN_CAPITAL,
        max_value=MAX_CAPITAL,
        help_text="Money, at most two decimals. Default 100000",
    )
    source = serializers.CharField(
        required=False, allow_null=True, max_length=32, help_text="Where the bars come from. Default sample"
    )
    adjustment = serializers.ChoiceField(
        choices=ADJUSTMENTS, required=False, allow_null=True, help_text="Default split_dividend"
    )
    name = serializers.CharField(required=False, allow_null=True, allow_blank=True, max_length=120)
    confirm_cautions = serializers.BooleanField(
        required=False, allow_null=True, help_text="Run unusual settings as they are"
    )


class RunRequestSerializer(MarketSerializer):
    """The body of POST /api/backtest/run. Absent and null mean the default."""

    strategy = serializers.ChoiceField(
        choices=[(s.slug, s.label) for s in catalogue.all()],
        required=False,
        allow_null=True,
        help_text="Slug in the catalogue, or conditions; needed unless saved_strategy_id or custom_strategy_id is sent",
    )
    custom_strategy_id = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=2**63 - 1, help_text="One of your custom strategies"
    )
    saved_strategy_id = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=2**63 - 1, help_text="One of your saved strategies"
    )
    strategy_parameters = ObjectField(
        required=False, allow_null=True, help_text="By name, as declared at GET /api/backtest/strategies"
    )
    symbols = serializers.ListField(
        child=serializers.RegexField(SYMBOL, max_length=symbol_rule.MAX_LENGTH), min_length=1, max_length=MAX_SYMBOLS
    )
    preset = serializers.ChoiceField(
        choices=list(session_settings.PRESETS), required=False, allow_null=True, help_text="Default standard"
    )
    settings = SettingsField(required=False, allow_null=True, help_text="Session settings that differ from the preset")
    match_timeframe = serializers.ChoiceField(
        choices=TIMEFRAMES, required=False, allow_null=True, help_text="Match orders on finer bars than it decides on"
    )
    benchmark = serializers.RegexField(
        SYMBOL,
        max_length=symbol_rule.MAX_LENGTH,
        required=False,
        allow_null=True,
        help_text="Default: the run's own symbols, held",
    )
    symbols_alone = serializers.BooleanField(
        required=False, allow_null=True, help_text="Each symbol on its own share of the capital"
    )
    shares_per_trade = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=10_000_000, help_text="Fixed size of each entry"
    )
    metrics = serializers.ListField(
        child=serializers.CharField(max_length=60), required=False, allow_null=True, min_length=1, max_length=200
    )
    seed = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=2**31 - 1)


class RunQuerySerializer(QuerySerializer):
    wait = serializers.BooleanField(
        required=False, default=False, help_text="Wait up to 30 s for the end; a busy server may answer 202 earlier"
    )


class BacktestListSerializer(serializers.ModelSerializer):
    """One row of a list: what was asked, how it stands, the headline figures (null until it is done)."""

    initial_capital = serializers.FloatField()
    final_equity = serializers.FloatField(allow_null=True)
    symbols = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Backtest
        fields = (
            "id",
            "name",
            "state",
            "strategy",
            "strategy_label",
            "saved_strategy_id",
            "symbols",
            "timeframe",
            "start_date",
            "end_date",
            "initial_capital",
            "synthetic",
            "phase",
            "bars_done",
            "bars_total",
            *JOB_FIELDS,
            "total_return_pct",
            "benchmark_return_pct",
            "max_drawdown_pct",
            "sharpe",
            "win_rate_pct",
            "trade_count",
            "final_equity",
        )
        read_only_fields = fields


class BacktestSerializer(BacktestListSerializer):
    """One backtest, whole: with its exact request, what it ran on, and the figures of its result."""

    config = ObjectField(help_text="The request with every default filled in; sent again it gives this run again")
    parameters = ObjectField()
    settings = ObjectField()
    library_versions = ObjectField()
    timings = ObjectField(help_text="Seconds by phase")
    failure_faults = FaultSerializer(many=True, help_text="What in the request led to the failure")
    rerun_report = ObjectField(allow_null=True, help_text="For a rerun: identical, and what changed")
    notes = serializers.ListField(child=serializers.CharField())
    result = serializers.SerializerMethodField(help_text="Metrics, costs, denials, monthly returns; null until done")

    class Meta(BacktestListSerializer.Meta):
        fields = (
            *BacktestListSerializer.Meta.fields,
            "config",
            "strategy_version",
            "parameters",
            "settings",
            "seed",
            "data_hash",
            "engine_version",
            "library_versions",
            "result_hash",
            "rerun_of",
            "rerun_report",
            "notes",
            "cancel_requested",
            "attempts",
            "timings",
            "failure_faults",
            "result",
        )
        read_only_fields = fields

    @extend_schema_field({"type": "object", "additionalProperties": {}, "nullable": True})
    def get_result(self, backtest: Backtest) -> dict[str, Any] | None:
        return selectors.summary(backtest) if backtest.state == Backtest.State.DONE else None


class BacktestFilterSerializer(QuerySerializer):
    state = serializers.ChoiceField(choices=Backtest.State.choices, required=False)
    strategy = serializers.CharField(required=False, max_length=60, help_text="Slug")
    symbol = serializers.CharField(required=False, max_length=32, help_text="Ran on this symbol, perhaps among others")
    search = serializers.CharField(
        required=False, max_length=120, help_text="Words, each part of the name, the strategy or a symbol"
    )
    sort = serializers.ChoiceField(
        required=False,
        default="-created_at",
        choices=[
            sign + column
            for column in (
                "created_at",
                "total_return_pct",
                "max_drawdown_pct",
                "sharpe",
                "trade_count",
                "final_equity",
            )
            for sign in ("", "-")
        ],
    )


class SaveAsStrategySerializer(StrictSerializer):
    name = StrictCharField(max_length=120)


class SavedStrategySerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    strategy = serializers.CharField()
    parameters = ObjectField()


class RoundTripSerializer(serializers.Serializer):
    """A closed position. Times are the start of the bar of the fill, UTC; prices per unit; pnl_net after all costs."""

    symbol = serializers.CharField()
    side = serializers.ChoiceField(choices=("LONG", "SHORT"))
    qty = serializers.FloatField()
    entry_time = serializers.DateTimeField()
    entry_px = serializers.FloatField()
    exit_time = serializers.DateTimeField()
    exit_px = serializers.FloatField()
    pnl_net = serializers.FloatField()
    return_pct = serializers.FloatField()
    commission = serializers.FloatField()
    bars_held = serializers.IntegerField()
    exit_reason = serializers.CharField()


class ExplanationSerializer(serializers.Serializer):
    """Why a position was opened. Times are starts of bars, UTC."""

    symbol = serializers.CharField()
    entry_time = serializers.DateTimeField(help_text="As in the round trip")
    signal_time = serializers.DateTimeField(help_text="The bar at whose close it was decided")
    action = serializers.ChoiceField(choices=("BUY", "SELL", "HOLD"))
    reasoning = serializers.CharField()
    evidence = ObjectField(help_text="Conditions by name (buy, sell, …), with value and verdict of each node")


class TradeFilterSerializer(QuerySerializer):
    sort = serializers.ChoiceField(
        required=False,
        default="entry_time",
        choices=[sign + column for column in selectors.TRADE_SORTS for sign in ("", "-")],
    )
    symbol = serializers.CharField(required=False, max_length=32)
    side = serializers.ChoiceField(choices=("LONG", "SHORT"), required=False)
    result = serializers.ChoiceField(choices=("win", "loss"), required=False)
    exit_reason = serializers.RegexField(r"^[a-z_]{1,20}$", required=False)


class EquitySerializer(serializers.Serializer):
    """Columns of equal length; at most 4,000 points, chosen so that every high and low is kept."""

    time = serializers.ListField(child=serializers.IntegerField(), help_text="Unix seconds, start of the bar")
    equity = serializers.ListField(child=serializers.FloatField())
    drawdown_pct = serializers.ListField(child=serializers.FloatField())
    benchmark = serializers.ListField(child=serializers.FloatField(allow_null=True), allow_null=True)
    benchmark_label = serializers.CharField()
    starting_cash = serializers.FloatField()
    points = serializers.IntegerField(help_text="Before thinning")
    decimated = serializers.BooleanField()


class HealthSerializer(serializers.Serializer):
    status = serializers.ChoiceField(choices=("ok", "degraded"))
    worker_seen_s = serializers.FloatField(allow_null=True, help_text="Seconds since a worker last spoke; null: never")
    queued = serializers.IntegerField()
    running = serializers.IntegerField()
    oldest_queued_s = serializers.FloatField(allow_null=True)


class StrategiesSerializer(serializers.Serializer):
    """Everything a client needs to build the form of a backtest."""

    strategies = serializers.ListField(child=ObjectField())
    settings = serializers.ListField(child=ObjectField())
    presets = ObjectField()
    metrics = serializers.ListField(child=ObjectField())
    timeframes = serializers.ListField(child=serializers.CharField())
    adjustments = serializers.ListField(child=serializers.CharField())


class CompareQuerySerializer(QuerySerializer):
    ids = serializers.CharField(max_length=300, help_text="Up to six ids, separated by commas")


class ComparedSerializer(serializers.Serializer):
    backtest = BacktestListSerializer()
    metrics = ObjectField(allow_null=True)
    equity = ObjectField(allow_null=True, help_text="time (Unix s) and value, 100 at the start")


class PerformanceSerializer(serializers.ModelSerializer):
    """How a strategy did in one run."""

    initial_capital = serializers.FloatField()
    final_capital = serializers.FloatField()
    symbols = serializers.ListField(child=serializers.CharField())
    metrics = ObjectField()

    class Meta:
        model = PerformanceRecord
        fields = (
            "id",
            "backtest",
            "session_id",
            "strategy_name",
            "strategy_type",
            "saved_strategy_id",
            "execution_type",
            "symbols",
            "timeframe",
            "start",
            "end",
            "initial_capital",
            "final_capital",
            "total_return_pct",
            "win_rate_pct",
            "total_trades",
            "max_drawdown_pct",
            "sharpe_ratio",
            "metrics",
            "created_at",
        )
        read_only_fields = fields


class PerformanceDetailSerializer(PerformanceSerializer):
    config = ObjectField()
    trades = RoundTripSerializer(many=True, help_text="The newest 1,000")
    equity_history = serializers.ListField(
        child=serializers.ListField(), help_text="[date, equity] at each day's end, the newest 2,600"
    )

    class Meta(PerformanceSerializer.Meta):
        fields = (*PerformanceSerializer.Meta.fields, "config", "trades", "equity_history")
        read_only_fields = fields


class PerformanceFilterSerializer(QuerySerializer):
    execution_type = serializers.ChoiceField(choices=PerformanceRecord.Execution.choices, required=False)
    symbol = serializers.CharField(required=False, max_length=32)


class OverviewSerializer(serializers.Serializer):
    records = serializers.IntegerField()
    strategies = serializers.IntegerField(help_text="How many different ones")
    total_trades = serializers.IntegerField()
    average_return_pct = serializers.FloatField(allow_null=True)
    average_sharpe_ratio = serializers.FloatField(allow_null=True)
    worst_drawdown_pct = serializers.FloatField(allow_null=True)
    profitable = serializers.IntegerField(help_text="Records with a positive return")
    best = PerformanceSerializer(allow_null=True)
    worst = PerformanceSerializer(allow_null=True)
    latest = PerformanceSerializer(many=True, help_text="The newest five")


class StrategyAnalyticsSerializer(serializers.Serializer):
    strategy_type = serializers.CharField()
    execution_type = serializers.CharField()
    records = serializers.IntegerField()
    profitable = serializers.IntegerField()
    total_trades = serializers.IntegerField(source="trades")
    average_return_pct = serializers.FloatField()
    best_return_pct = serializers.FloatField()
    worst_return_pct = serializers.FloatField()
    average_sharpe_ratio = serializers.FloatField(allow_null=True)
    average_win_rate_pct = serializers.FloatField(allow_null=True)
    worst_drawdown_pct = serializers.FloatField()


class AnalyticsSerializer(serializers.Serializer):
    strategies = StrategyAnalyticsSerializer(many=True)
