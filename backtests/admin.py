"""What operators see of backtests. Results are read, never edited."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from backtests.models import (
    AllocationStudy,
    Backtest,
    Passport,
    PerformanceRecord,
    ResultPart,
    SubmissionCount,
    Sweep,
    TrialCount,
)


class _ReadOnly(admin.ModelAdmin):
    """What was computed stays as it was computed: rows can be looked at and deleted."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class _Jobs(_ReadOnly):
    search_fields: tuple[str, ...] = ("id", "name", "owner__username")
    list_select_related = ("owner",)
    date_hierarchy = "created_at"
    exclude: tuple[str, ...] = ("claim_token",)
    show_full_result_count = False
    deferred: tuple[str, ...] = ()  # long columns that a list leaves in the database

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer(*self.deferred)


@admin.register(Backtest)
class BacktestAdmin(_Jobs):
    list_display = (
        "created_at", "owner", "name", "strategy", "timeframe", "state", "attempts", "total_return_pct", "trade_count",
    )  # fmt: skip
    list_filter = ("state", "strategy", "timeframe", "synthetic", "created_at")


@admin.register(Sweep)
class SweepAdmin(_Jobs):
    list_display = ("created_at", "owner", "name", "strategy", "method", "state", "cells_done", "cells_total")
    list_filter = ("state", "method", "strategy", "created_at")


@admin.register(AllocationStudy)
class AllocationStudyAdmin(_Jobs):
    list_display = ("created_at", "owner", "name", "method", "rebalance", "timeframe", "state", "attempts")
    list_filter = ("state", "method", "timeframe", "synthetic", "created_at")
    deferred = ("document",)


@admin.register(Passport)
class PassportAdmin(_Jobs):
    list_display = (
        "created_at", "owner", "strategy_label", "timeframe", "state", "verdict", "trials", "runs_done", "attempts",
    )  # fmt: skip
    list_filter = ("state", "verdict", "strategy", "synthetic", "created_at")
    search_fields = ("id", "strategy_label", "result_hash", "owner__username")
    deferred = ("config", "document")


@admin.register(TrialCount)
class TrialCountAdmin(_ReadOnly):
    """Not even deleted: what was tried stays tried."""

    list_display = ("updated_at", "owner", "data_key", "variants")
    list_filter = ("updated_at",)
    search_fields = ("data_key", "owner__username")
    list_select_related = ("owner",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(PerformanceRecord)
class PerformanceRecordAdmin(_ReadOnly):
    list_display = (
        "created_at", "owner", "strategy_name", "strategy_type", "execution_type", "total_return_pct", "total_trades",
    )  # fmt: skip
    list_filter = ("execution_type", "strategy_type", "created_at")
    search_fields = ("strategy_name", "owner__username")
    list_select_related = ("owner",)
    date_hierarchy = "created_at"
    show_full_result_count = False


@admin.register(ResultPart)
class ResultPartAdmin(_ReadOnly):
    list_display = ("backtest_id", "name")
    list_filter = ("backtest__state",)
    search_fields = ("backtest__id", "name")
    fields = ("backtest", "name")  # not the bytes, which say nothing to a person
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("data")


@admin.register(SubmissionCount)
class SubmissionCountAdmin(admin.ModelAdmin):
    list_display = ("day", "owner", "submitted")
    list_filter = ("day",)
    search_fields = ("owner__username",)
    list_select_related = ("owner",)
    raw_id_fields = ("owner",)
