"""Operators' view of accounts. No password, hash or token id is shown anywhere."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from accounts import logins
from accounts.models import (
    ApiLogin,
    AuditEvent,
    AuditHead,
    BrokerAccount,
    Delivery,
    Notification,
    NotificationChannel,
    PlatformSwitch,
    RiskEnvelope,
    Tier,
    Tries,
    User,
)
from accounts.services import risk


@admin.register(Tier)
class TierAdmin(admin.ModelAdmin):
    list_display = (
        "label",
        "max_active_sessions",
        "max_concurrent_backtests",
        "max_backtests_per_day",
        "max_backtest_bars",
        "max_sweep_cells",
        "allows_custom_strategies",
        "api_requests_per_minute",
    )
    list_filter = ("allows_custom_strategies",)
    search_fields = ("code", "label")


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    list_display = ("username", "email", "tier", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("tier", "is_active", "is_staff", "is_superuser", "date_joined")
    search_fields = ("username", "email")
    list_select_related = ("tier",)
    readonly_fields = ("change_password", "last_login", "date_joined")
    actions = ("end_logins", "disable")
    fieldsets = (
        (None, {"fields": ("username", "email", "change_password")}),
        ("Tier and preferences", {"fields": ("tier", "timezone", "theme", "welcome_done")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("username", "email", "tier", "usable_password", "password1", "password2")}),)

    @admin.display(description="Password")
    def change_password(self, user: User) -> str:
        """A link to Django's own form; its hash is nobody's business."""
        return format_html(
            '<a href="{}">Set a new password</a>', reverse("admin:auth_user_password_change", args=[user.pk])
        )

    @admin.action(description="End all logins and tokens")
    def end_logins(self, request: HttpRequest, users: QuerySet[User]) -> None:
        for user in users:
            logins.end_all(user)
        self.message_user(request, f"Ended all logins of {len(users)} users.")

    @admin.action(description="Disable, and end all logins and tokens")
    def disable(self, request: HttpRequest, users: QuerySet[User]) -> None:
        for user in users:
            user.is_active = False
            user.save(update_fields=["is_active"])
            logins.end_all(user)
        self.message_user(request, f"Disabled {len(users)} users.")


class ReadOnly(admin.ModelAdmin):
    """Rows that the platform writes; operators look and, where allowed, delete."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ApiLogin)
class ApiLoginAdmin(ReadOnly):
    list_display = ("user", "user_agent", "created_at", "refreshed_at", "expires_at", "ended_at", "ended_because")
    list_filter = ("ended_because", "created_at")
    search_fields = ("user__username",)
    list_select_related = ("user",)
    fields = list_display
    actions = ("end",)

    @admin.action(description="End these logins")
    def end(self, request: HttpRequest, rows: QuerySet[ApiLogin]) -> None:
        ended = rows.filter(ended_at=None).update(ended_at=timezone.now(), ended_because=ApiLogin.Ended.LOGGED_OUT)
        self.message_user(request, f"Ended {ended} logins.")


@admin.register(Tries)
class TriesAdmin(ReadOnly):
    """Deleting a row lets its account or address try again at once."""

    list_display = ("__str__", "window_start", "count")
    list_filter = ("window_start",)
    fields = ("window_start", "count")


@admin.register(Notification)
class NotificationAdmin(ReadOnly):
    list_display = ("created_at", "owner", "level", "event", "title", "read_at")
    list_filter = ("level", "event", "created_at")
    search_fields = ("owner__username", "title")
    list_select_related = ("owner",)
    fields = ("owner", "event", "level", "title", "text", "link", "session_id", "dedup", "created_at", "read_at")


@admin.register(NotificationChannel)
class NotificationChannelAdmin(ReadOnly):
    list_display = ("owner", "kind", "enabled", "min_level", "secret_state", "updated_at")
    list_filter = ("kind", "enabled", "min_level")
    search_fields = ("owner__username",)
    list_select_related = ("owner",)
    fields = ("owner", "kind", "address", "secret_state", "min_level", "enabled", "updated_at")

    @admin.display(description="Secret")
    def secret_state(self, row: NotificationChannel) -> str:
        return str(row.secret)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    list_display = ("created_at", "owner", "kind", "event", "state", "tries", "last_error")
    list_filter = ("state", "kind", "created_at")
    search_fields = ("owner__username", "event")
    list_select_related = ("owner",)
    fields = ("owner", "kind", "address", "event", "note", "state", "tries", "next_try_at", "last_error", "ended_at")


class Kept(ReadOnly):
    """Rows that nobody deletes either."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(BrokerAccount)
class BrokerAccountAdmin(Kept):
    """Of the keys an operator sees how they end."""

    list_display = ("name", "owner", "kind", "environment", "state", "equity", "seen_at", "used_at", "host")
    list_filter = ("kind", "environment", "state", "created_at")
    search_fields = ("name", "owner__username", "account_number")
    list_select_related = ("owner",)
    fields = (
        "owner", "name", "kind", "environment", "options", "key_state", "state", "state_reason", "opposite_orders",
        "account_number", "currency", "permissions", "cash", "equity", "buying_power", "seen_at", "checked_at",
        "used_at", "host", "lease_expires_at", "fence", "created_at", "updated_at", "closed_at",
    )  # fmt: skip

    @admin.display(description="Key")
    def key_state(self, row: BrokerAccount) -> str:
        return str(row.api_key)


@admin.register(AuditEvent)
class AuditEventAdmin(Kept):
    list_display = ("at", "actor", "action", "target", "chain", "seq")
    list_filter = ("at", "action")
    search_fields = ("actor", "action", "target")
    ordering = ("-at", "-id")
    fields = ("at", "actor", "actor_id", "action", "target", "detail_text", "chain", "seq", "prev_hash", "hash")


@admin.register(AuditHead)
class AuditHeadAdmin(Kept):
    list_display = ("chain", "seq", "hash")
    list_filter = (("hash", admin.EmptyFieldListFilter),)
    fields = list_display


@admin.register(RiskEnvelope)
class RiskEnvelopeAdmin(Kept):
    """Limits are the user's own; an operator looks, and stops or releases their entries."""

    list_display = ("user", "gross_cap", "net_cap", "symbol_cap", "kill_switch", "kill_at", "updated_at")
    list_filter = ("kill_switch", "updated_at")
    search_fields = ("user__username",)
    list_select_related = ("user",)
    fields = ("user", "gross_cap", "net_cap", "symbol_cap", "max_sessions", "groups", "kill_switch", "kill_reason")
    actions = ("stop_entries", "allow_entries")

    @admin.action(description="Stop all entries of these users' bots")
    def stop_entries(self, request: HttpRequest, rows: QuerySet[RiskEnvelope]) -> None:
        self._throw(request, rows, on=True)

    @admin.action(description="Allow entries of these users' bots again")
    def allow_entries(self, request: HttpRequest, rows: QuerySet[RiskEnvelope]) -> None:
        self._throw(request, rows, on=False)

    def _throw(self, request: HttpRequest, rows: QuerySet[RiskEnvelope], *, on: bool) -> None:
        for row in rows.select_related("user"):
            risk.throw_kill_switch(row.user, on, "by an operator", actor=request.user)
        self.message_user(request, f"{'Stopped' if on else 'Allowed'} entries of {len(rows)} users.")


@admin.register(PlatformSwitch)
class PlatformSwitchAdmin(admin.ModelAdmin):
    """The kill switch for everybody: tick `on`, say why, save."""

    list_display = ("__str__", "reason", "at", "by")
    list_filter = ("on",)
    fields = ("on", "reason", "at", "by")
    readonly_fields = ("at", "by")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not PlatformSwitch.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: PlatformSwitch, form: Any, change: bool) -> None:
        """Through the service, which writes the audit trail."""
        risk.throw_platform_switch(request.user, obj.on, obj.reason)
