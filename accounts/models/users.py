"""Who uses the platform, what each subscription tier allows, and which logins and tries at passwords there are."""

from __future__ import annotations

import uuid
from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac


class Tier(models.Model):
    """A subscription tier. Its limits are rows, so that an operator changes them in the admin, not in code.

    Null in a limit means "no limit".
    """

    FREE, BASIC, PREMIUM, ENTERPRISE = "FREE", "BASIC", "PREMIUM", "ENTERPRISE"

    code = models.CharField(max_length=16, primary_key=True)
    label = models.CharField(max_length=40)
    rank = models.PositiveSmallIntegerField(help_text="Order of the tiers, lowest first")
    max_active_sessions = models.PositiveIntegerField(null=True, blank=True)
    max_concurrent_backtests = models.PositiveIntegerField(null=True, blank=True)
    max_backtests_per_day = models.PositiveIntegerField(null=True, blank=True)
    max_backtest_bars = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Bars times symbols in one backtest"
    )
    max_concurrent_sweeps = models.PositiveIntegerField(null=True, blank=True)
    max_sweep_cells = models.PositiveIntegerField(null=True, blank=True, help_text="Combinations in one sweep")
    max_saved_strategies = models.PositiveIntegerField(null=True, blank=True)
    max_upload_mb = models.PositiveIntegerField(null=True, blank=True)
    max_waiting_imports = models.PositiveIntegerField(null=True, blank=True)
    max_stored_bars = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Bars of their own instruments that are kept"
    )
    allows_custom_strategies = models.BooleanField(default=False)
    api_requests_per_minute = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ("rank",)

    def __str__(self) -> str:
        return self.label


def default_tier() -> str:
    return Tier.FREE


def check_timezone(name: str) -> None:
    """Validator: an IANA time zone that this machine knows."""
    if name not in available_timezones():
        raise ValidationError(f"{name!r:.80} is no IANA time zone; one is Europe/Berlin.", code="unknown_choice")


class UserManager(DjangoUserManager["User"]):
    """Users by name, whatever the case it is typed in."""

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(username__iexact=username)


class User(AbstractUser):
    """A person with a login. Everything they own hangs off this row and is visible to nobody else."""

    class Theme(models.TextChoices):
        SYSTEM = "system", "As the device is set"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    email = models.EmailField("e-mail address", unique=True)
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, default=default_tier, related_name="users")
    timezone = models.CharField(
        max_length=64,
        default="UTC",
        validators=[check_timezone],
        help_text="IANA name; times on pages are shown in it",
    )
    theme = models.CharField(max_length=8, choices=Theme.choices, default=Theme.SYSTEM)
    welcome_done = models.BooleanField(
        default=False, help_text="The first-visit steps were finished or skipped and are not shown again"
    )
    login_epoch = models.PositiveIntegerField(
        default=0, editable=False, help_text="Raised to end every login and token of this user at once"
    )

    objects = UserManager()

    class Meta(AbstractUser.Meta):
        constraints = [
            # "Alice" beside "alice" would be two people that nobody can tell apart.
            models.UniqueConstraint(Lower("username"), name="username_unique_whatever_its_case"),
            models.UniqueConstraint(Lower("email"), name="email_unique_whatever_its_case"),
        ]

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What a login is tied to: the password, and the epoch that "log out everywhere" raises."""
        mark = f"{self.password}:{self.login_epoch}"
        return salted_hmac("accounts.User.login", mark, secret=secret, algorithm="sha256").hexdigest()


class ApiLogin(models.Model):
    """One login through the API, from password to end: a family of tokens, of which each refresh makes the next.

    Every access and refresh token names its family. Only the newest refresh token counts; an older one in use means
    that a token was copied, and ends the family.
    """

    class Ended(models.TextChoices):
        LOGGED_OUT = "logged_out", "Logged out"
        REUSED = "reused", "An old refresh token was used again"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_logins")
    refresh_jti = models.CharField(max_length=64, editable=False, help_text="Id of the newest refresh token")
    auth_hash = models.CharField(max_length=64, editable=False, help_text="The user's login hash when it began")
    user_agent = models.CharField(max_length=200, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    refreshed_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(help_text="When its newest refresh token expires", db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_because = models.CharField(max_length=16, blank=True, choices=Ended.choices)

    class Meta:
        ordering = ("-created_at",)
        verbose_name = "API login"

    def __str__(self) -> str:
        return f"{self.user_id} since {self.created_at:%Y-%m-%d %H:%M}"


class Tries(models.Model):
    """How often something that guards a secret was tried lately: by account name and by address (see `guard`).

    In the database and not in the cache, because a cache that is down or flushed must not open the door to guessing.
    """

    key = models.CharField(max_length=64, primary_key=True, help_text="Hash of what is counted")
    window_start = models.DateTimeField()
    count = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "tries"
        indexes = [models.Index(fields=["window_start"], name="tries_by_window")]

    def __str__(self) -> str:
        return f"{self.count} since {self.window_start:%H:%M:%S}"
