"""Shapes of sessions: how they are started, steered and shown."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.services.users import MAX_PASSWORD
from bots import selectors
from bots.api.serializers.fields import (
    BIGGEST_ID,
    SYMBOL,
    DecimalText,
    IdField,
    ObjectField,
    SettingsField,
    sorts,
)
from bots.models import Decision, Mode, ParityReport, SessionCommand, SessionEvent, SessionSettings, TradingSession
from bots.services import emergency, feeds, requests
from bots.settings_columns import from_columns
from strategies import session_settings
from strategies.serializers import SLUGS
from tradingsite.lib.fields import (
    QuerySerializer,
    StrictBooleanField,
    StrictChoiceField,
    StrictIntegerField,
    StrictSerializer,
)

WORDS = ("ACTIVE", "PAUSED", "STOPPED", "COMPLETED", "ERROR")
_LATER = "Not available yet: answers 422"


class StartRequestSerializer(StrictSerializer):
    """The body of POST /api/trading/sessions/start. Absent and null mean the default, or the bot's value."""

    mode = serializers.ChoiceField(
        choices=Mode.choices,
        required=False,
        allow_null=True,
        help_text="Default PAPER; LIVE trades at a broker account",
    )
    initial_cash = serializers.FloatField(
        required=False,
        allow_null=True,
        min_value=requests.MIN_CASH,
        max_value=requests.MAX_CASH,
        help_text="Money, at most two decimals. Default 100000",
    )
    symbols = serializers.ListField(
        child=serializers.RegexField(SYMBOL, max_length=requests.MAX_SYMBOL_LENGTH),
        min_length=1,
        max_length=requests.MAX_SYMBOLS,
        required=False,
        allow_null=True,
        help_text="Needed unless a bot is named",
    )
    timeframe = serializers.ChoiceField(
        choices=requests.TIMEFRAMES, required=False, allow_null=True, help_text="Default 1m"
    )
    match_timeframe = serializers.ChoiceField(
        choices=requests.TIMEFRAMES, required=False, allow_null=True, help_text="Finer bars to match orders on"
    )
    strategy = serializers.ChoiceField(
        choices=SLUGS,
        required=False,
        allow_null=True,
        help_text="Slug in the catalogue; needed unless saved_strategy_id, custom_strategy_id or bot_id is sent",
    )
    saved_strategy_id = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=BIGGEST_ID)
    custom_strategy_id = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=BIGGEST_ID,
        help_text="One of your custom strategies; its conditions are copied",
    )
    model_id = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=BIGGEST_ID, help_text=_LATER
    )
    strategy_parameters = ObjectField(
        required=False, allow_null=True, help_text="By name, as declared at GET /api/backtest/strategies"
    )
    preset = serializers.ChoiceField(
        choices=list(session_settings.PRESETS), required=False, allow_null=True, help_text="Default standard"
    )
    settings = SettingsField(required=False, allow_null=True, help_text="Settings that differ from the preset")
    feed = serializers.ChoiceField(
        choices=feeds.FEEDS,
        required=False,
        allow_null=True,
        help_text="synthetic (symbols SIM-…, the default for them) or replay (stored bars)",
    )
    feed_options = ObjectField(
        required=False,
        allow_null=True,
        help_text="synthetic: seed, ticks_per_s, accelerate; replay: source, start, end, timeframe, adjustment, speed, "
        "keep_gaps",
    )
    scheduled_end_time = serializers.DateTimeField(
        required=False, allow_null=True, help_text="With its zone; the session ends by itself then"
    )
    bot_id = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=BIGGEST_ID, help_text="Start this bot"
    )
    broker_account_id = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=BIGGEST_ID,
        help_text="One of your accounts at brokers; needed for mode LIVE, whose initial cash is reserved there",
    )
    password = serializers.CharField(
        required=False,
        max_length=MAX_PASSWORD,
        write_only=True,
        help_text="Your own, once more: needed to start with real money",
    )
    name = serializers.CharField(required=False, allow_null=True, allow_blank=True, max_length=requests.MAX_NAME)
    passport_override = serializers.CharField(
        required=False,
        allow_null=True,
        min_length=requests.MIN_REASON,
        max_length=requests.MAX_REASON,
        help_text="Why it may trade real money without a passing robustness passport; kept in the audit trail",
    )
    confirm_cautions = serializers.BooleanField(
        required=False, allow_null=True, help_text="Run unusual settings as they are"
    )


class StopRequestSerializer(StrictSerializer):
    policy = StrictChoiceField(
        choices=TradingSession.StopPolicy.choices,
        default=TradingSession.StopPolicy.KEEP,
        help_text="keep: entries are cancelled, positions stay; flatten: every position is closed",
    )


class StopTradingSerializer(StopRequestSerializer):
    session_id = StrictIntegerField(
        required=False, min_value=1, help_text="Only this session; without it all of yours that are active"
    )


class EmergencyRequestSerializer(StrictSerializer):
    scope = StrictChoiceField(choices=emergency.SCOPES, help_text="platform: operators only")
    level = StrictChoiceField(
        choices=emergency.LEVELS, help_text="pause_entries: exits go on; stop_keep: positions stay; flatten: all closed"
    )
    session_id = StrictIntegerField(required=False, min_value=1, help_text="For the scope session")


class EmergencyQuerySerializer(QuerySerializer):
    scope = serializers.ChoiceField(choices=emergency.SCOPES, default="user")
    level = serializers.ChoiceField(choices=emergency.LEVELS, default="flatten")
    session_id = IdField(required=False)


class SessionFilterSerializer(QuerySerializer):
    state = serializers.ChoiceField(choices=TradingSession.State.choices, required=False)
    active = serializers.BooleanField(required=False, allow_null=True, default=None)
    bot_id = IdField(required=False)
    symbol = serializers.CharField(required=False, max_length=24)
    search = serializers.CharField(
        required=False, max_length=120, help_text="Words, each part of the name, the bot, the strategy or a symbol"
    )
    sort = serializers.ChoiceField(required=False, default="-created_at", choices=sorts(selectors.SESSION_SORTS))


class TradingSessionSerializer(serializers.ModelSerializer):
    """A session: what it runs, how it stands, what it is worth."""

    bot_name = serializers.SerializerMethodField(help_text="Null without a bot")
    word = serializers.ChoiceField(choices=WORDS, help_text="The state in one of five simple words")
    is_active = serializers.BooleanField(help_text="Whether it counts against the tier")
    symbols = serializers.ListField(child=serializers.CharField())
    strategy_label = serializers.SerializerMethodField()
    strategy_parameters = ObjectField()
    feed_options = serializers.SerializerMethodField()
    synthetic = serializers.SerializerMethodField(help_text="It trades made prices")
    initial_cash = DecimalText()
    total_pnl = DecimalText(help_text="Realised, after costs")
    unrealised_pnl = DecimalText()
    day_pnl = serializers.SerializerMethodField(help_text="Since the trading day began; null before its first bar")
    drawdown_pct = serializers.SerializerMethodField(help_text="Equity below its highest, 0 or less; null before a bar")
    cash = DecimalText(allow_null=True)
    equity = DecimalText(allow_null=True)
    exposure = DecimalText()
    final_cash = DecimalText(allow_null=True)
    win_rate_pct = serializers.SerializerMethodField()

    class Meta:
        model = TradingSession
        fields = (
            "id", "name", "bot", "bot_name", "mode", "state", "word", "is_active", "state_reason", "wanted",
            "stop_policy", "stop_reason", "initial_cash", "symbols", "timeframe", "match_timeframe", "strategy",
            "strategy_label", "saved_strategy", "custom_strategy", "strategy_parameters", "strategy_version", "feed",
            "feed_options", "synthetic", "scheduled_end_time", "created_at", "started_at", "ended_at", "last_bar_at",
            "total_trades", "winning_trades", "win_rate_pct", "total_pnl", "unrealised_pnl", "day_pnl", "drawdown_pct",
            "cash", "equity", "exposure", "open_positions", "final_cash",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"type": "string", "nullable": True})
    def get_bot_name(self, session: TradingSession) -> str | None:
        return session.bot.name if session.bot else None

    def get_strategy_label(self, session: TradingSession) -> str:
        return session.strategy_label

    @extend_schema_field({"type": "object", "additionalProperties": {}})
    def get_feed_options(self, session: TradingSession) -> dict[str, Any]:
        return feeds.unsealed(session.feed_options)

    def get_synthetic(self, session: TradingSession) -> bool:
        return session.feed == feeds.SYNTHETIC

    @extend_schema_field(DecimalText(allow_null=True))
    def get_day_pnl(self, session: TradingSession) -> str | None:
        if session.equity is None or session.day_start_equity is None:
            return None
        return DecimalText().to_representation(session.equity - session.day_start_equity)

    @extend_schema_field({"type": "number", "format": "double", "nullable": True})
    def get_drawdown_pct(self, session: TradingSession) -> float | None:
        return selectors.drawdown_pct(session)

    @extend_schema_field({"type": "number", "format": "double", "nullable": True})
    def get_win_rate_pct(self, session: TradingSession) -> float | None:
        return 100 * session.winning_trades / session.total_trades if session.total_trades else None


class ActiveSessionSerializer(serializers.Serializer):
    session = TradingSessionSerializer(allow_null=True, help_text="The one started last; null when none is active")


class ProgressSerializer(serializers.Serializer):
    """How far the stop button has come with one session."""

    session = TradingSessionSerializer()
    working_orders = serializers.IntegerField()
    open_positions = serializers.IntegerField()
    done = serializers.BooleanField(help_text="Nothing more will happen to it by this button")


class EmergencySerializer(serializers.Serializer):
    done = serializers.BooleanField(help_text="Every session in reach is where it was to go")
    sessions = ProgressSerializer(many=True)


class SettingsRequestSerializer(StrictSerializer):
    """Changed settings, by name."""

    settings = SettingsField(help_text="POST: all that differ from the preset. PATCH: those to change")
    preset = StrictChoiceField(
        choices=list(session_settings.PRESETS), required=False, help_text="POST: default standard. PATCH: begin anew"
    )
    confirm_cautions = StrictBooleanField(default=False, help_text="Take unusual settings as they are")


class RollbackRequestSerializer(StrictSerializer):
    version = StrictIntegerField(min_value=1, max_value=2**31 - 1, help_text="The version to bring back")


class SettingsVersionSerializer(serializers.ModelSerializer):
    """One version of a session's settings; a position keeps the one it was opened with."""

    settings = serializers.SerializerMethodField()
    changes = ObjectField(help_text="{setting: [before, after]} against the version before")
    changed_by = serializers.CharField(source="changed_by.username", default=None, allow_null=True)

    class Meta:
        model = SessionSettings
        fields = ("version", "settings", "changes", "rolled_back_to", "changed_by", "created_at")
        read_only_fields = fields

    @extend_schema_field(SettingsField())
    def get_settings(self, row: SessionSettings) -> dict[str, Any]:
        return session_settings.as_json(from_columns(row))


class EventFilterSerializer(QuerySerializer):
    level = serializers.ChoiceField(choices=SessionEvent.Level.choices, required=False)
    kind = serializers.RegexField(r"^[a-z_]{1,32}$", required=False)


class EventSerializer(serializers.ModelSerializer):
    """One line of a session's log."""

    detail = ObjectField()
    by = serializers.CharField(source="by.username", default=None, allow_null=True)

    class Meta:
        model = SessionEvent
        fields = ("id", "at", "level", "kind", "text", "detail", "by")
        read_only_fields = fields


class DecisionFilterSerializer(QuerySerializer):
    symbol = serializers.CharField(required=False, max_length=24)
    outcome = serializers.RegexField(r"^[a-z0-9_]{1,32}$", required=False, help_text="Also the gate that refused")
    only_deciding = serializers.BooleanField(
        required=False, default=True, help_text="Leave out bars that orders are only matched on"
    )


class GateSerializer(serializers.Serializer):
    gate = serializers.CharField()
    value = serializers.JSONField(allow_null=True)
    limit = serializers.JSONField(allow_null=True)
    ok = serializers.BooleanField()


class DecisionSerializer(serializers.ModelSerializer):
    """Why a session did, or did not, trade one symbol on one bar."""

    inputs = ObjectField(help_text="The values that the signal was read from")
    terms = ObjectField(help_text="What the signal said beside its action, by name: limit_px, target_weight, …")
    evidence = serializers.JSONField(
        allow_null=True,
        help_text="What the signal rests on in detail: a tree's nodes, an ensemble's votes",
    )
    gates = GateSerializer(many=True)

    class Meta:
        model = Decision
        fields = (
            "id", "symbol", "closed_at", "timeframe", "open", "high", "low", "close", "volume", "action", "confidence",
            "exits", "terms", "reasoning", "inputs", "evidence", "gates", "outcome", "detail", "order_seq",
        )  # fmt: skip
        read_only_fields = fields


class ParitySerializer(serializers.ModelSerializer):
    """A session's tape run again through the backtester, and where the two differ."""

    counts = ObjectField(help_text="Differences by label")
    differences = serializers.ListField(child=ObjectField(), help_text="The first 500")

    class Meta:
        model = ParityReport
        fields = (
            "id", "made_at", "cycles", "identical", "orders_compared", "fills_compared", "counts", "differences",
            "note",
        )  # fmt: skip
        read_only_fields = fields


class ParityAnswerSerializer(serializers.Serializer):
    report = ParitySerializer(allow_null=True, help_text="The latest; null before the first")


class CommandSerializer(serializers.ModelSerializer):
    """Something asked of a running session; its host does it after the next closed bar."""

    class Meta:
        model = SessionCommand
        fields = ("id", "session", "kind", "symbol", "requested_at", "done_at", "outcome")
        read_only_fields = fields


class CurveQuerySerializer(QuerySerializer):
    since = serializers.DateTimeField(required=False)


class SessionEquitySerializer(serializers.Serializer):
    """Columns of equal length; at most 2,000 points, each the last mark of a stretch of time."""

    time = serializers.ListField(child=serializers.IntegerField(), help_text="Unix seconds, start of the bar")
    equity = serializers.ListField(child=serializers.FloatField())
    low = serializers.ListField(child=serializers.FloatField(), help_text="The lowest mark of the stretch")
    high = serializers.ListField(child=serializers.FloatField(), help_text="The highest mark of the stretch")
    drawdown_pct = serializers.ListField(child=serializers.FloatField())
    starting_cash = serializers.FloatField()
    points = serializers.IntegerField(help_text="Before thinning")
    decimated = serializers.BooleanField()
