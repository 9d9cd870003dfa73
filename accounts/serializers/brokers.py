"""The bodies of /api/broker-accounts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from accounts.models import BrokerAccount
from accounts.services import brokers
from accounts.services.brokers.cleaning import MAX_KEY, MAX_NAME
from accounts.services.brokers.practice import MAX_CASH, MIN_CASH
from accounts.services.users import MAX_PASSWORD
from tradingsite.lib.fields import StrictCharField, StrictChoiceField, StrictFloatField, StrictSerializer


def _password() -> StrictCharField:
    return StrictCharField(
        max_length=MAX_PASSWORD,
        trim_whitespace=False,
        write_only=True,
        required=False,
        allow_blank=True,
        default="",
        help_text="Your own password, once more. Not needed within five minutes of giving it on the site, nor for a "
        "practice account",
    )


def _key(words: str) -> StrictCharField:
    return StrictCharField(max_length=MAX_KEY, write_only=True, help_text=f"{words}. It is encrypted and never told")


class BrokerOptionsSerializer(StrictSerializer):
    """What a kind of account needs besides its keys."""

    exchange = StrictCharField(max_length=40, required=False, help_text="ccxt: its name of it, such as kraken")
    quote = StrictCharField(max_length=10, required=False, help_text="binance, ccxt: what coins trade against: USDT")
    crypto_fee_ratio = StrictCharField(max_length=10, required=False, help_text="alpaca: your fee on coins: 0.0015")


class BrokerAccountRequestSerializer(StrictSerializer):
    """An account to add. Its keys are tried first."""

    name = StrictCharField(max_length=MAX_NAME)
    kind = StrictChoiceField(choices=BrokerAccount.Kind.choices)
    environment = StrictChoiceField(choices=BrokerAccount.Environment.choices)
    api_key = _key("The venue's key, without the right to withdraw")
    api_secret = _key("The secret that belongs to it")
    options = BrokerOptionsSerializer(required=False)
    opposite_orders = StrictChoiceField(choices=BrokerAccount.Opposite.choices, required=False, default="block")
    password = _password()


class BrokerAccountChangeSerializer(StrictSerializer):
    """What may be changed of an account; what is left out stays. Key and secret are replaced together."""

    name = StrictCharField(max_length=MAX_NAME, required=False)
    opposite_orders = StrictChoiceField(choices=BrokerAccount.Opposite.choices, required=False)
    api_key = StrictCharField(max_length=MAX_KEY, required=False, write_only=True, help_text="Of the same account")
    api_secret = StrictCharField(max_length=MAX_KEY, required=False, write_only=True)
    password = _password()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for one, other in (("api_key", "api_secret"), ("api_secret", "api_key")):
            if one in attrs and other not in attrs:
                raise serializers.ValidationError({other: "Key and secret are replaced together."}, code="required")
        return attrs


class PracticeRequestSerializer(StrictSerializer):
    """A practice account to open: play money at the practice venue, which runs beside the site."""

    name = StrictCharField(max_length=MAX_NAME, required=False, allow_blank=True, default="")
    kind = StrictChoiceField(
        choices=BrokerAccount.Kind.choices,
        required=False,
        default=BrokerAccount.Kind.ALPACA,
        help_text="Whose protocol it is spoken to in: alpaca or binance",
    )
    cash = StrictFloatField(
        min_value=float(MIN_CASH), max_value=float(MAX_CASH), required=False, default=100_000.0, help_text="US dollars"
    )

    def validate_cash(self, value: float) -> Decimal:
        return Decimal(str(value)).quantize(Decimal("0.01"))


class PermissionsSerializer(serializers.Serializer):
    """What the keys are good for; null where the venue does not say."""

    trade = serializers.BooleanField(required=False)
    withdraw = serializers.BooleanField(required=False, allow_null=True)
    short = serializers.BooleanField(required=False)


class BrokerAccountSerializer(serializers.ModelSerializer):
    """One account of the caller's at a broker. Its secret is never told, of its key how it ends."""

    key_ending = serializers.CharField(source="api_key.ending", help_text="Last four characters of the key")
    permissions = PermissionsSerializer()
    is_real_money = serializers.BooleanField()
    options = serializers.DictField(child=serializers.CharField())
    cash = serializers.FloatField(allow_null=True)
    equity = serializers.FloatField(allow_null=True)
    buying_power = serializers.FloatField(allow_null=True)
    sessions = serializers.SerializerMethodField(help_text="How many sessions that are not over trade on it")

    class Meta:
        model = BrokerAccount
        fields = (
            "id", "name", "kind", "environment", "is_real_money", "options", "state", "state_reason", "opposite_orders",
            "key_ending", "account_number", "currency", "permissions", "cash", "equity", "buying_power", "sessions",
            "seen_at", "checked_at", "used_at", "created_at", "updated_at", "closed_at",
        )  # fmt: skip
        read_only_fields: Any = fields

    def get_sessions(self, account: BrokerAccount) -> int:
        return brokers.sessions_of(account)
