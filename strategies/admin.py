"""Operators' view of users' strategies."""

from __future__ import annotations

from django.contrib import admin

from strategies.models import CustomStrategy, UserStrategy


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
    list_display = ("name", "owner", "is_active", "updated_at")
    list_filter = ("is_active", "updated_at")
    search_fields = ("name", "owner__username")
    list_select_related = ("owner",)
    raw_id_fields = ("owner",)
    readonly_fields = ("created_at", "updated_at")
    date_hierarchy = "created_at"
