"""Shapes of bots."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bots.api.serializers.fields import BIGGEST_ID, SYMBOL, DecimalText, ObjectField, SettingsField
from bots.models import Bot, Mode, TradingSession
from bots.services import bot_requests, bots, feeds, requests
from strategies.params import WEEKDAYS
from strategies.serializers import SLUGS
from strategies.services.custom import sentences
from strategies.services.gate import CONDITIONS
from strategies.session_settings import SETTINGS
from tradingsite.lib.fields import QuerySerializer, StrictCharField, StrictSerializer


class RiskSerializer(StrictSerializer):
    """Limits in percent, in the words of the short form; each is also a setting. Null switches one off."""

    def get_fields(self) -> dict[str, Any]:
        return {
            word: serializers.FloatField(
                required=False,
                allow_null=SETTINGS[name].optional,
                min_value=SETTINGS[name].declaration()["min"],
                max_value=SETTINGS[name].declaration()["max"],
                help_text=SETTINGS[name].help,
            )
            for word, name in bot_requests.RISK.items()
        }


class BotRequestSerializer(StrictSerializer):
    """A bot as sent. What is left out has its default."""

    name = serializers.CharField(max_length=bot_requests.MAX_NAME, help_text="Yours only once")
    description = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=bot_requests.MAX_DESCRIPTION
    )
    capital = serializers.FloatField(
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
    )
    timeframe = serializers.ChoiceField(
        choices=requests.TIMEFRAMES, required=False, allow_null=True, help_text="Default 1m"
    )
    match_timeframe = serializers.ChoiceField(choices=requests.TIMEFRAMES, required=False, allow_null=True)
    trading_frequency = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=bot_requests.MAX_FREQUENCY,
        help_text="Seconds between two decisions; default: as its bars close. Longer than its bars: it decides on the "
        "largest bars that fit into it, and its orders meet its own finer ones",
    )
    strategy = serializers.ChoiceField(
        choices=SLUGS,
        required=False,
        allow_null=True,
        help_text="Slug in the catalogue; needed unless saved_strategy_id, custom_strategy_id or indicators are sent",
    )
    strategy_parameters = ObjectField(required=False, allow_null=True)
    saved_strategy_id = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=BIGGEST_ID)
    custom_strategy_id = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=BIGGEST_ID, help_text="Its conditions are copied"
    )
    indicators = ObjectField(
        required=False,
        allow_null=True,
        help_text="In the place of a strategy, on every tier: RSI {period, oversold, overbought}, MACD {fast, slow, "
        "signal}, SMA {period}, EMA {period}, …; `conditions` of the answer shows the equivalent trees",
    )
    settings = SettingsField(required=False, allow_null=True, help_text="Settings that differ from the defaults")
    risk_management = RiskSerializer(required=False, allow_null=True)
    start_hour = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=23)
    start_minute = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=59)
    end_hour = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=23)
    end_minute = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=59)
    trading_days = serializers.ListField(
        child=serializers.ChoiceField(choices=WEEKDAYS), required=False, allow_null=True, min_length=1, max_length=7
    )
    feed = serializers.ChoiceField(choices=feeds.FEEDS, required=False, allow_null=True)
    feed_options = ObjectField(required=False, allow_null=True)
    run = serializers.ChoiceField(choices=Bot.Run.choices, required=False, allow_null=True, help_text="Default manual")
    stop_policy = serializers.ChoiceField(
        choices=TradingSession.StopPolicy.choices, required=False, allow_null=True, help_text="Default flatten"
    )
    mode = serializers.ChoiceField(
        choices=Mode.choices,
        required=False,
        allow_null=True,
        help_text="Default PAPER; LIVE: its sessions trade at a broker account",
    )
    broker_account_id = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=BIGGEST_ID, help_text="One of yours, with mode: LIVE"
    )


class BotSerializer(serializers.ModelSerializer):
    """A bot, with its limits, hours and days also in the words of the short form."""

    capital = DecimalText()
    symbols = serializers.ListField(child=serializers.CharField())
    strategy_parameters = ObjectField()
    indicators = ObjectField(help_text="Indicator rules as they were sent; empty for a bot with a strategy")
    conditions = serializers.SerializerMethodField(
        help_text="By buy, sell, short, cover: tree and sentence; null unless it runs conditions"
    )
    settings = SettingsField(help_text="Those that differ from the defaults")
    feed_options = ObjectField()
    risk_management = serializers.SerializerMethodField()
    start_hour = serializers.SerializerMethodField()
    start_minute = serializers.SerializerMethodField()
    end_hour = serializers.SerializerMethodField()
    end_minute = serializers.SerializerMethodField()
    trading_days = serializers.SerializerMethodField()

    class Meta:
        model = Bot
        fields = (
            "id", "name", "description", "capital", "symbols", "timeframe", "match_timeframe", "trading_frequency",
            "strategy", "strategy_parameters", "saved_strategy", "custom_strategy", "indicators", "conditions",
            "settings", "risk_management", "start_hour", "start_minute", "end_hour", "end_minute", "trading_days",
            "feed", "feed_options", "run", "stop_policy", "mode", "broker_account", "is_demo", "created_at",
            "updated_at",
        )  # fmt: skip
        read_only_fields = fields

    def to_representation(self, instance: Bot) -> dict[str, Any]:
        self._short = bot_requests.short_form(instance)
        return super().to_representation(instance)

    @extend_schema_field({"type": "object", "additionalProperties": {}, "nullable": True})
    def get_conditions(self, bot: Bot) -> dict[str, Any] | None:
        if bot.strategy != CONDITIONS:
            return None
        words = sentences(bot.strategy_parameters)
        return {
            name: {"tree": tree, "sentence": words[name]}
            for name, tree in bot.strategy_parameters.items()
            if tree is not None
        }

    @extend_schema_field(RiskSerializer())
    def get_risk_management(self, bot: Bot) -> dict[str, Any]:
        return self._short["risk_management"]

    def get_start_hour(self, bot: Bot) -> int:
        return self._short["start_hour"]

    def get_start_minute(self, bot: Bot) -> int:
        return self._short["start_minute"]

    def get_end_hour(self, bot: Bot) -> int:
        return self._short["end_hour"]

    def get_end_minute(self, bot: Bot) -> int:
        return self._short["end_minute"]

    def get_trading_days(self, bot: Bot) -> list[str]:
        return self._short["trading_days"]


class BotListSerializer(BotSerializer):
    """A bot in a list, with its sessions in three figures."""

    session_count = serializers.IntegerField()
    pnl = DecimalText(allow_null=True, help_text="Realised by all its sessions; null before the first")
    active_session = serializers.IntegerField(source="active_id", allow_null=True)
    active_state = serializers.ChoiceField(choices=TradingSession.State.choices, allow_null=True)

    class Meta(BotSerializer.Meta):
        fields = (*BotSerializer.Meta.fields, "session_count", "pnl", "active_session", "active_state")
        read_only_fields = fields


class BotFilterSerializer(QuerySerializer):
    search = serializers.CharField(
        required=False, max_length=120, help_text="Words, each part of the name, the strategy or a symbol"
    )


class CloneRequestSerializer(StrictSerializer):
    name = StrictCharField(
        max_length=bot_requests.MAX_NAME, required=False, help_text="Without it, named like the original"
    )


class StopBotSerializer(StrictSerializer):
    policy = serializers.ChoiceField(
        choices=TradingSession.StopPolicy.choices, required=False, help_text="Default: the bot's own"
    )


class ApplyQuerySerializer(QuerySerializer):
    apply = serializers.BooleanField(
        required=False, default=False, help_text="Give the settings to the bot's active session, too"
    )


class BotDocumentSerializer(StrictSerializer):
    """A bot to be given to somebody else: no id, no owner, no secret."""

    format = serializers.ChoiceField(choices=(bots.FORMAT,))
    bot = BotRequestSerializer()


class BotExportSerializer(serializers.Serializer):
    """A bot's whole configuration, as it can be imported again."""

    format = serializers.ChoiceField(choices=(bots.FORMAT,))
    bot = ObjectField()
