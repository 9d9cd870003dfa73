"""Shapes of orders, trades and positions, and of figures over them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bots import selectors
from bots.api.serializers.fields import DecimalText, IdField, ObjectField, SinceUntil, sorts
from bots.api.serializers.sessions import TradingSessionSerializer
from bots.models import Order, Position, Side, Trade
from bots.orders import GROUPS
from tradingsite.lib.fields import QuerySerializer


class _Filter(SinceUntil):
    session_id = IdField(required=False)
    bot_id = IdField(required=False)
    symbol = serializers.CharField(required=False, max_length=24)


class OrderFilterSerializer(_Filter):
    group = serializers.ChoiceField(choices=list(GROUPS), required=False, help_text="pending: not known to be there")
    side = serializers.ChoiceField(choices=Side.choices, required=False)


class TradeFilterSerializer(_Filter):
    side = serializers.ChoiceField(choices=Side.choices, required=False)
    reason = serializers.RegexField(r"^[a-z0-9_]{1,24}$", required=False, help_text="signal, stop_loss, user, …")
    result = serializers.ChoiceField(choices=("win", "loss"), required=False, help_text="Of those that closed")
    sort = serializers.ChoiceField(required=False, default="-executed_at", choices=sorts(selectors.TRADE_SORTS))


class PositionFilterSerializer(_Filter):
    is_open = serializers.BooleanField(required=False, allow_null=True, default=None)
    sort = serializers.ChoiceField(required=False, default="-opened_at", choices=sorts(selectors.POSITION_SORTS))


class _OfSession(serializers.Serializer):
    session_name = serializers.SerializerMethodField()
    bot = serializers.SerializerMethodField()

    def get_session_name(self, row: Any) -> str:
        return str(row.session)

    @extend_schema_field({"type": "integer", "nullable": True})
    def get_bot(self, row: Any) -> int | None:
        return row.session.bot_id


class OrderSerializer(_OfSession, serializers.ModelSerializer):
    """An order. Prices per unit, quantities in units."""

    group = serializers.ChoiceField(choices=list(GROUPS))
    qty = DecimalText(help_text="0 until a size that is set at the fill is known")
    filled_qty = DecimalText()
    avg_fill_px = DecimalText(allow_null=True)
    limit_px = DecimalText(allow_null=True)
    stop_px = DecimalText(allow_null=True)
    decision_px = DecimalText(allow_null=True, help_text="Close of the bar that decided it")

    class Meta:
        model = Order
        fields = (
            "id", "session", "session_name", "bot", "seq", "client_order_id", "broker_order_id", "symbol", "side",
            "kind", "time_in_force", "is_entry", "reason", "qty", "filled_qty", "avg_fill_px", "limit_px", "stop_px",
            "decision_px", "confidence", "settings_version", "state", "group", "state_reason", "late_fill",
            "decided_at", "submitted_at", "accepted_at", "ended_at", "attempts", "ack_ms",
        )  # fmt: skip
        read_only_fields = fields


class TradeSerializer(_OfSession, serializers.ModelSerializer):
    """A trade: one fill. realised_pnl is of the part that closed a position, after costs; null for an entry."""

    qty = DecimalText()
    px = DecimalText()
    commission = DecimalText()
    slippage = DecimalText(help_text="Fill minus decision price, adverse above 0")
    realised_pnl = DecimalText(allow_null=True)
    indicators_snapshot = ObjectField(help_text="What the decision was read from")

    class Meta:
        model = Trade
        fields = (
            "id", "session", "session_name", "bot", "order", "position", "symbol", "side", "qty", "px", "is_entry",
            "reason", "commission", "commission_asset", "slippage", "realised_pnl", "execution_id", "client_order_id",
            "broker_order_id", "indicators_snapshot", "executed_at", "booked_at",
        )  # fmt: skip
        read_only_fields = fields


class TradeStatisticsSerializer(serializers.Serializer):
    """Figures over the trades that pass the filters. All P&L is on those that closed something."""

    count = serializers.IntegerField()
    closing = serializers.IntegerField(help_text="Those that closed a position or a part of one")
    wins = serializers.IntegerField()
    losses = serializers.IntegerField()
    win_rate_pct = serializers.FloatField(allow_null=True)
    profit_factor = serializers.FloatField(allow_null=True, help_text="Sum won by sum lost; null without a loss")
    total_pnl = DecimalText()
    average_win = DecimalText(allow_null=True)
    average_loss = DecimalText(allow_null=True)
    best = DecimalText(allow_null=True)
    worst = DecimalText(allow_null=True)
    fees = DecimalText()
    volume = DecimalText(help_text="Sum of quantity × price")
    first_at = serializers.DateTimeField(allow_null=True)
    last_at = serializers.DateTimeField(allow_null=True)


class PositionSerializer(_OfSession, serializers.ModelSerializer):
    """A holding from its first fill to its last; closed, it is a round trip."""

    qty = DecimalText(help_text="Held now; 0 once closed")
    entered_qty = DecimalText()
    entry_px = DecimalText(help_text="Average over the entries")
    exit_px = DecimalText(allow_null=True)
    current_px = DecimalText(help_text="The last mark")
    stop_px = DecimalText(allow_null=True)
    target_px = DecimalText(allow_null=True)
    trailing_px = DecimalText(allow_null=True)
    realised_pnl = DecimalText()
    unrealised_pnl = DecimalText()
    commission = DecimalText()
    closing = serializers.SerializerMethodField(help_text="Somebody asked to close it; it will be at the next bar")

    class Meta:
        model = Position
        fields = (
            "id", "session", "session_name", "bot", "symbol", "number", "is_open", "side", "qty", "entered_qty",
            "entry_px", "exit_px", "current_px", "stop_px", "target_px", "trailing_px", "realised_pnl",
            "unrealised_pnl", "commission", "settings_version", "exit_reason", "opened_at", "closed_at", "closing",
        )  # fmt: skip
        read_only_fields = fields

    def get_closing(self, row: Position) -> bool:
        return row.pk in self.context["closing"]


class PositionSummarySerializer(serializers.Serializer):
    count = serializers.IntegerField()
    open = serializers.IntegerField()
    wins = serializers.IntegerField(help_text="Closed ones that won")
    losses = serializers.IntegerField()
    long_value = DecimalText()
    short_value = DecimalText()
    gross_value = DecimalText()
    net_value = DecimalText()
    unrealised_pnl = DecimalText()
    realised_pnl = DecimalText()
    fees = DecimalText()


class TotalsSerializer(serializers.Serializer):
    """All sessions of a user. equity, cash, exposure, unrealised and day P&L are of the active ones."""

    sessions = serializers.IntegerField()
    active_sessions = serializers.IntegerField()
    paused_sessions = serializers.IntegerField()
    halted_sessions = serializers.IntegerField(help_text="They need a person")
    total_trades = serializers.IntegerField(help_text="Positions closed")
    winning_trades = serializers.IntegerField()
    win_rate_pct = serializers.FloatField(allow_null=True)
    total_pnl = DecimalText(help_text="Realised, after costs")
    unrealised_pnl = DecimalText()
    day_pnl = DecimalText()
    equity = DecimalText()
    cash = DecimalText()
    exposure = DecimalText()
    fees = DecimalText()
    open_positions = serializers.IntegerField()
    last_bar_at = serializers.DateTimeField(allow_null=True)


class SummarySerializer(TotalsSerializer):
    """What stands at the top of a dashboard."""

    trades_today = serializers.IntegerField(help_text="Fills since 00:00 UTC")
    working_orders = serializers.IntegerField()
    at = serializers.DateTimeField()


class PortfolioSerializer(serializers.Serializer):
    """The active sessions together, and what they hold."""

    total_value = DecimalText()
    cash = DecimalText()
    exposure = DecimalText()
    unrealised_pnl = DecimalText()
    sessions = TradingSessionSerializer(many=True)
    positions = PositionSerializer(many=True)


class PeriodSerializer(QuerySerializer):
    period = serializers.ChoiceField(choices=list(selectors.PERIODS), default="ALL")


class PerformanceQuerySerializer(PeriodSerializer):
    bot_id = IdField(required=False)
    session_id = IdField(required=False)


class _TripsSerializer(serializers.Serializer):
    round_trips = serializers.IntegerField(help_text="Positions closed in the period")
    wins = serializers.IntegerField()
    losses = serializers.IntegerField()
    win_rate_pct = serializers.FloatField(allow_null=True)
    profit_factor = serializers.FloatField(allow_null=True, help_text="Sum won by sum lost; null without a loss")
    realised_pnl = DecimalText()
    round_trip_fees = DecimalText()
    average_win = DecimalText(allow_null=True)
    average_loss = DecimalText(allow_null=True)
    best_trade = DecimalText(allow_null=True)
    worst_trade = DecimalText(allow_null=True)


class TradingPerformanceSerializer(_TripsSerializer):
    """Trading over a period. Sharpe and the other return-based figures are of daily returns."""

    period = serializers.ChoiceField(choices=list(selectors.PERIODS))
    since = serializers.DateTimeField(allow_null=True)
    days = serializers.IntegerField(help_text="Trading days with a bar")
    pnl = DecimalText(help_text="Change of equity over these days")
    fees = DecimalText()
    fills = serializers.IntegerField()
    total_return_pct = serializers.FloatField(allow_null=True)
    volatility_pct = serializers.FloatField(allow_null=True)
    sharpe = serializers.FloatField(allow_null=True)
    sortino = serializers.FloatField(allow_null=True)
    max_drawdown_pct = serializers.FloatField(allow_null=True)
    best_day_pct = serializers.FloatField(allow_null=True)
    worst_day_pct = serializers.FloatField(allow_null=True)
    var_95_pct = serializers.FloatField(allow_null=True)


class BotFiguresSerializer(_TripsSerializer):
    bot_id = serializers.IntegerField(allow_null=True, help_text="Null: sessions without a bot")
    name = serializers.CharField(allow_null=True)


class SymbolFiguresSerializer(_TripsSerializer):
    name = serializers.CharField(help_text="The symbol")


class DaySerializer(serializers.Serializer):
    """One trading day, all sessions together."""

    day = serializers.DateField()
    pnl = DecimalText(help_text="Change of equity")
    realised_pnl = DecimalText()
    fees = DecimalText()
    trades = serializers.IntegerField(help_text="Fills")
    round_trips = serializers.IntegerField()
    wins = serializers.IntegerField()
    losses = serializers.IntegerField()
    start_equity = DecimalText()
    return_pct = serializers.FloatField(allow_null=True)


class PnlSerializer(serializers.Serializer):
    """P&L day by day, and its curve. Columns of the curve have equal length."""

    days = DaySerializer(many=True)
    time = serializers.ListField(child=serializers.IntegerField(), help_text="Unix seconds")
    pnl = serializers.ListField(child=serializers.FloatField(), help_text="Cumulative, of all sessions together")
    equity = serializers.ListField(child=serializers.FloatField())


class SymbolExposureSerializer(serializers.Serializer):
    symbol = serializers.CharField()
    long = DecimalText()
    short = DecimalText()
    gross = DecimalText()
    net = DecimalText()
    share_pct = serializers.FloatField(allow_null=True, help_text="Gross, of equity")
    sessions = serializers.IntegerField()


class GroupExposureSerializer(serializers.Serializer):
    name = serializers.CharField()
    symbols = serializers.ListField(child=serializers.CharField())
    gross = DecimalText()
    net = DecimalText()


class ExposureSerializer(serializers.Serializer):
    """What the active sessions hold, at the last marks."""

    equity = DecimalText()
    gross = DecimalText()
    net = DecimalText()
    long = DecimalText()
    short = DecimalText()
    gross_pct = serializers.FloatField(allow_null=True)
    net_pct = serializers.FloatField(allow_null=True)
    symbols = SymbolExposureSerializer(many=True)
    groups = GroupExposureSerializer(many=True)


class LimitSerializer(serializers.Serializer):
    session = serializers.IntegerField()
    session_name = serializers.CharField()
    limit = serializers.CharField(help_text="The setting")
    label = serializers.CharField()
    value = serializers.FloatField()
    maximum = serializers.FloatField()
    unit = serializers.ChoiceField(choices=("%", "money", ""))
    used_pct = serializers.FloatField(help_text="100: the limit is reached")


class CorrelationSerializer(serializers.Serializer):
    symbols = serializers.ListField(child=serializers.CharField())
    matrix = serializers.ListField(child=serializers.ListField(child=serializers.FloatField(allow_null=True)))
    observations = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))
