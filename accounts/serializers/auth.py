"""The bodies of /api/auth/."""

from __future__ import annotations

from rest_framework import serializers

from accounts.models import Tier, User
from accounts.services.users import MAX_PASSWORD
from tradingsite.lib.fields import StrictBooleanField, StrictCharField, StrictChoiceField, StrictSerializer

_PASSWORD = {"max_length": MAX_PASSWORD, "trim_whitespace": False, "write_only": True}


class RegisterSerializer(StrictSerializer):
    """A new account."""

    username = StrictCharField(min_length=3, max_length=32, help_text="Letters a–z, digits, dot, underscore, hyphen")
    email = StrictCharField(max_length=254)
    password = StrictCharField(**_PASSWORD, help_text="At least 10 characters; no common one")
    timezone = StrictCharField(max_length=64, required=False, default="UTC", help_text="IANA name")


class CredentialsSerializer(StrictSerializer):
    """Name and password."""

    username = StrictCharField(max_length=150, trim_whitespace=False)
    password = StrictCharField(**_PASSWORD)


class RefreshSerializer(StrictSerializer):
    """A refresh token. It works once."""

    refresh = StrictCharField(max_length=2_000)


class LogoutSerializer(StrictSerializer):
    """Which logins to end."""

    everywhere = StrictBooleanField(required=False, default=False, help_text="Also all other sessions and tokens")


class ChangePasswordSerializer(StrictSerializer):
    """The current password proves who asks."""

    current_password = StrictCharField(**_PASSWORD)
    new_password = StrictCharField(**_PASSWORD)


class PreferencesSerializer(StrictSerializer):
    """What a user may change about themselves here."""

    timezone = StrictCharField(max_length=64, required=False, help_text="IANA name")
    theme = StrictChoiceField(choices=User.Theme.choices, required=False)


class TierSerializer(serializers.ModelSerializer):
    """A tier and its limits; null means no limit."""

    class Meta:
        model = Tier
        fields = (
            "code",
            "label",
            "rank",
            "max_active_sessions",
            "max_concurrent_backtests",
            "max_backtests_per_day",
            "max_backtest_bars",
            "max_concurrent_sweeps",
            "max_sweep_cells",
            "max_saved_strategies",
            "max_upload_mb",
            "max_waiting_imports",
            "max_stored_bars",
            "allows_custom_strategies",
            "api_requests_per_minute",
        )
        read_only_fields = fields


class UsageSerializer(serializers.Serializer):
    """One limit of the tier. current null: not counted; maximum null: no limit."""

    name = serializers.CharField()
    label = serializers.CharField()
    current = serializers.IntegerField(allow_null=True)
    maximum = serializers.IntegerField(allow_null=True)


class UserSerializer(serializers.ModelSerializer):
    """The caller."""

    tier = TierSerializer()

    class Meta:
        model = User
        fields = ("id", "username", "email", "tier", "timezone", "theme", "is_staff", "date_joined")
        read_only_fields = fields


class MeSerializer(UserSerializer):
    """The caller, with what they use of their tier."""

    usage = UsageSerializer(many=True)

    class Meta(UserSerializer.Meta):
        fields = (*UserSerializer.Meta.fields, "usage")
        read_only_fields = fields


class TokenPairSerializer(serializers.Serializer):
    """Send `access` as ``Authorization: Bearer …``; before it expires, trade `refresh` for the next pair."""

    access = serializers.CharField()
    refresh = serializers.CharField()
    access_expires_in = serializers.IntegerField(help_text="Seconds")
    refresh_expires_in = serializers.IntegerField(help_text="Seconds")


class RegisteredSerializer(TokenPairSerializer):
    """The new user, logged in."""

    user = UserSerializer()
