"""Shapes of a bot's secrets."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from bots.models import BotSecrets
from bots.services.secrets import MAX_CHAT, MAX_SECRET
from tradingsite.lib.fields import StrictBooleanField, StrictCharField, StrictSerializer


def _secret(words: str) -> StrictCharField:
    text = f"{words}. Left out it stays, null forgets it"
    return StrictCharField(
        required=False, allow_null=True, allow_blank=True, max_length=MAX_SECRET, write_only=True, help_text=text
    )


class BotSecretsRequestSerializer(StrictSerializer):
    """Some of a bot's secrets."""

    api_key = _secret("The broker's key")
    secret_key = _secret("The secret that belongs to it")
    testnet = StrictBooleanField(required=False, help_text="The keys are for the broker's test network. Default true")
    telegram_token = _secret("Token of the Telegram bot that writes")
    telegram_chat_id = StrictCharField(
        required=False, allow_null=True, allow_blank=True, max_length=MAX_CHAT, help_text="Where it writes to"
    )
    telegram_trades = StrictBooleanField(required=False, help_text="It writes each trade, too. Default false")


class BotSecretsSerializer(serializers.ModelSerializer):
    """What is set. A secret is `not set`, `set`, or `set, ends in …1234`."""

    api_key = serializers.CharField()
    secret_key = serializers.CharField()
    telegram_token = serializers.CharField()
    updated_at = serializers.DateTimeField(allow_null=True, help_text="Null before anything was set")

    class Meta:
        model = BotSecrets
        fields = (
            "api_key", "secret_key", "testnet", "telegram_token", "telegram_chat_id", "telegram_trades", "updated_at",
        )  # fmt: skip
        read_only_fields: Any = fields
