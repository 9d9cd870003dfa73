"""Operators' view of trading sessions. Fills and snapshots are history: read, never edited or deleted."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from bots.models import PortfolioSnapshot, SessionSettings, Trade, TradingSession


class _History(admin.ModelAdmin):
    """Rows that only the platform writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(TradingSession)
class TradingSessionAdmin(_History):
    list_display = ("id", "owner", "mode", "state", "strategy", "timeframe", "total_trades", "total_pnl", "created_at")
    list_filter = ("mode", "state", "strategy", "timeframe", "created_at")
    search_fields = ("id", "owner__username", "strategy")
    list_select_related = ("owner",)
    date_hierarchy = "created_at"


@admin.register(SessionSettings)
class SessionSettingsAdmin(_History):
    list_display = ("session", "version", "changed_by", "created_at")
    list_filter = ("order_type_default", "position_sizing_method", "created_at")
    search_fields = ("session__id", "changed_by__username")
    list_select_related = ("session", "changed_by")


@admin.register(Trade)
class TradeAdmin(_History):
    list_display = ("executed_at", "session_id", "symbol", "side", "qty", "px", "commission", "slippage")
    list_filter = ("side", "session__mode", "executed_at")
    search_fields = ("symbol", "execution_id", "client_order_id", "broker_order_id", "session__owner__username")
    date_hierarchy = "executed_at"
    show_full_result_count = False


@admin.register(PortfolioSnapshot)
class PortfolioSnapshotAdmin(_History):
    list_display = ("ts", "session_id", "mode", "total_value", "cash")
    list_filter = ("mode", "ts")
    search_fields = ("session__id", "session__owner__username")
    date_hierarchy = "ts"
    show_full_result_count = False
