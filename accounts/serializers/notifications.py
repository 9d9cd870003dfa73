"""The bodies of /api/notifications."""

from __future__ import annotations

from rest_framework import serializers

from accounts.models import Level, Notification
from tradingsite.lib.fields import QuerySerializer


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
