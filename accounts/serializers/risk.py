"""The bodies of /api/risk/."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from accounts.models import RiskEnvelope
from accounts.services import risk
from accounts.services.users import MAX_PASSWORD
from tradingsite.lib.fields import (
    StrictBooleanField,
    StrictCharField,
    StrictFloatField,
    StrictIntegerField,
    StrictSerializer,
)


class CapField(StrictFloatField):
    """Money above 0, to the cent: a number in JSON, a Decimal here."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0.01, max_value=float(risk.MAX_CAP), **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Decimal | None:
        number = super().run_validation(data)
        return None if number is None else Decimal(str(number)).quantize(Decimal("0.01"))


class GroupSerializer(StrictSerializer):
    """Symbols that are limited together."""

    symbols = serializers.ListField(child=StrictCharField(max_length=32), min_length=1, max_length=risk.MAX_SYMBOLS)
    cap = CapField(help_text="Most money in all of them, longs and shorts added up")


class EnvelopeRequestSerializer(StrictSerializer):
    """Limits to set. What is not sent stays as it is; null takes a limit away; `groups` replaces all groups."""

    gross_cap = CapField(required=False, allow_null=True, help_text="Most money in positions, longs and shorts added")
    net_cap = CapField(required=False, allow_null=True, help_text="Most money that longs and shorts differ by")
    symbol_cap = CapField(required=False, allow_null=True, help_text="Most money in one symbol")
    max_sessions = StrictIntegerField(required=False, allow_null=True, min_value=0, max_value=risk.MAX_SESSIONS)
    groups = serializers.DictField(child=GroupSerializer(), required=False, help_text="By name")
    password = StrictCharField(
        max_length=MAX_PASSWORD,
        trim_whitespace=False,
        required=False,
        write_only=True,
        help_text="Your own, once more: needed to raise a limit where you have an account of real money",
    )


class KillSwitchRequestSerializer(StrictSerializer):
    """Stop all entries of one's bots, or allow them again."""

    on = StrictBooleanField()
    reason = StrictCharField(max_length=risk.MAX_REASON, required=False, default="", allow_blank=True)


class GroupAnswerSerializer(serializers.Serializer):
    """Symbols that are limited together."""

    symbols = serializers.ListField(child=serializers.CharField())
    cap = serializers.FloatField()


class EnvelopeSerializer(serializers.ModelSerializer):
    """The limits over all of the caller's bots; null means no limit."""

    gross_cap = serializers.FloatField(allow_null=True)
    net_cap = serializers.FloatField(allow_null=True)
    symbol_cap = serializers.FloatField(allow_null=True)
    groups = serializers.DictField(child=GroupAnswerSerializer())
    entries_blocked = serializers.CharField(
        allow_null=True, help_text="Why no bot of yours may enter right now, whoever stopped it; null while they may"
    )

    class Meta:
        model = RiskEnvelope
        fields = (
            "gross_cap",
            "net_cap",
            "symbol_cap",
            "max_sessions",
            "groups",
            "kill_switch",
            "kill_reason",
            "kill_at",
            "updated_at",
            "entries_blocked",
        )
        read_only_fields = fields
        extra_kwargs = {"updated_at": {"allow_null": True, "help_text": "Null while no limit was ever set"}}
