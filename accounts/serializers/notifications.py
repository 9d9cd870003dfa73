"""The bodies of /api/notifications."""

from __future__ import annotations

from rest_framework import serializers

from accounts.models import Level, Notification, NotificationChannel
from tradingsite.lib.fields import (
    QuerySerializer,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictSerializer,
)


class NotificationQuerySerializer(QuerySerializer):
    """Which notifications to list."""

    unread = serializers.BooleanField(required=False, allow_null=True, default=None, help_text="Only those (not) read")
    level = serializers.ChoiceField(choices=Level.choices, required=False, default="", help_text="Only this level")


class NotificationSerializer(serializers.ModelSerializer):
    """Something that the caller was told."""

    class Meta:
        model = Notification
        fields = ("id", "event", "level", "title", "text", "link", "session_id", "created_at", "read_at")
        read_only_fields = fields


class ReadAllSerializer(serializers.Serializer):
    """How many became read."""

    marked = serializers.IntegerField()


class ChannelRequestSerializer(StrictSerializer):
    """A channel outside the site, as it shall be."""

    address = StrictCharField(max_length=500, help_text="Telegram: the chat id. Webhook: the URL")
    secret = StrictCharField(
        max_length=200,
        required=False,
        default="",
        allow_blank=True,
        write_only=True,
        help_text="Telegram: the bot's token. Webhook: what signs messages. Left out or empty, the stored one stays",
    )
    min_level = StrictChoiceField(choices=Level.choices, required=False, default=Level.WARNING)
    enabled = StrictBooleanField(required=False, default=True)


class ChannelSerializer(serializers.ModelSerializer):
    """A channel of the caller's. Its secret is never told, only whether it is set and how it ends."""

    secret = serializers.CharField(help_text="`set, ends in …1234`, `set` or `not set`")

    class Meta:
        model = NotificationChannel
        fields = ("kind", "address", "secret", "min_level", "enabled", "updated_at")
        read_only_fields = fields
