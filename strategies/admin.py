"""Operators' view of users' strategies."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from strategies.gallery import admin as gallery  # noqa: F401  (importing registers)
from strategies.models import ConditionTest, CustomStrategy, UserStrategy


@admin.register(UserStrategy)
class UserStrategyAdmin(admin.ModelAdmin):
    list_display = ("name", "owner", "strategy", "strategy_type", "is_public", "updated_at")
    list_filter = ("strategy_type", "strategy", "is_public", "updated_at")
    search_fields = ("name", "owner__username")
    list_select_related = ("owner",)
    raw_id_fields = ("owner", "copied_from")
    readonly_fields = ("created_at", "updated_at")
    date_hierarchy = "created_at"


@admin.register(CustomStrategy)
class CustomStrategyAdmin(admin.ModelAdmin):
    list_display = ("name", "owner", "check_state", "warmup", "is_active", "is_public", "updated_at")
    list_filter = ("check_state", "is_active", "is_public", "updated_at")
    search_fields = ("name", "owner__username")
    list_select_related = ("owner",)
    raw_id_fields = ("owner", "copied_from")
    # Trees are checked where their owners save them; nothing checks what is typed here.
    readonly_fields = (
        "buy_conditions", "sell_conditions", "short_conditions", "cover_conditions", "revision", "check_state",
        "check_reason", "check_report", "check_version", "check_sent_at", "checked_at", "warmup", "measured_warmup",
        "created_at", "updated_at",
    )  # fmt: skip
    date_hierarchy = "created_at"


@admin.register(ConditionTest)
class ConditionTestAdmin(admin.ModelAdmin):
    list_display = ("id", "owner", "state", "failure_code", "created_at", "finished_at")
    list_filter = ("state", "failure_code", "created_at")
    search_fields = ("owner__username",)
    list_select_related = ("owner",)
    fields = ("owner", "state", "request", "failure_code", "failure_reason", "created_at", "finished_at")
    readonly_fields = fields
    date_hierarchy = "created_at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
