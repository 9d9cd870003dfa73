"""Market data for operators. Files, hashes and reports are shown, never typed in."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from marketdata.models import (
    CalendarCopy,
    CorporateAction,
    Coverage,
    DataImport,
    ExchangeSession,
    Instrument,
    NewsItem,
    ProviderUsage,
    Refetch,
    Revision,
    SourceChoice,
    SourceComparison,
    SourceRule,
    Watchlist,
)


class _Shown(admin.ModelAdmin):
    """Rows that only the program writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Watchlist)
class WatchlistAdmin(_Shown):
    list_display = ("user", "symbols", "updated_at")
    list_filter = ("updated_at",)
    search_fields = ("user__username",)
    list_select_related = ("user",)


@admin.register(Instrument)
class InstrumentAdmin(admin.ModelAdmin):
    list_display = ("symbol", "source", "name", "venue", "calendar", "currency", "synthetic", "owner")
    list_filter = ("source", "synthetic", "calendar", "fractionable", ("owner", admin.EmptyFieldListFilter))
    search_fields = ("symbol", "name")
    autocomplete_fields = ("owner",)
    # Part of where the bars are kept: changing them would lose the bars.
    readonly_fields = ("source", "symbol", "owner", "created_at")
    list_select_related = ("owner",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(CorporateAction)
class CorporateActionAdmin(admin.ModelAdmin):
    list_display = ("instrument", "ex_date", "kind", "split_to", "split_from", "amount", "price_factor")
    list_filter = ("kind", "instrument__source", "ex_date")
    search_fields = ("instrument__symbol",)
    autocomplete_fields = ("instrument",)
    date_hierarchy = "ex_date"
    list_select_related = ("instrument",)


@admin.register(Coverage)
class CoverageAdmin(_Shown):
    list_display = ("instrument", "timeframe", "first_at", "last_at", "bars", "hits", "misses", "updated_at")
    list_filter = ("timeframe", "instrument__source", "instrument__synthetic")
    search_fields = ("instrument__symbol",)
    list_select_related = ("instrument",)


@admin.register(ExchangeSession)
class ExchangeSessionAdmin(_Shown):
    list_display = ("calendar", "date", "open_at", "close_at", "early_close")
    list_filter = ("calendar", "early_close", "date")
    date_hierarchy = "date"


@admin.register(CalendarCopy)
class CalendarCopyAdmin(_Shown):
    list_display = ("calendar", "good_at", "source", "problem", "announced")


@admin.register(DataImport)
class DataImportAdmin(_Shown):
    list_display = ("created_at", "owner", "filename", "size_bytes", "symbol", "timeframe", "state", "finished_at")
    list_filter = ("state", "timeframe", "calendar", "created_at")
    search_fields = ("filename", "symbol", "owner__username")
    date_hierarchy = "created_at"
    list_select_related = ("owner",)


@admin.register(NewsItem)
class NewsItemAdmin(_Shown):
    list_display = ("published_at", "symbol", "source", "title", "score", "scorer", "owner", "imported_at")
    list_filter = ("source", "scorer", "published_at")
    search_fields = ("symbol", "title", "owner__username")
    date_hierarchy = "published_at"
    list_select_related = ("owner",)


@admin.register(ProviderUsage)
class ProviderUsageAdmin(_Shown):
    list_display = ("day", "provider", "requests", "errors", "bars", "hits", "misses", "cost")
    list_filter = ("provider", "day")
    date_hierarchy = "day"


@admin.register(SourceRule)
class SourceRuleAdmin(admin.ModelAdmin):
    """Where "auto" asks for a symbol first."""

    list_display = ("symbol", "source", "note", "updated_at")
    list_filter = ("source",)
    search_fields = ("symbol",)


@admin.register(SourceChoice)
class SourceChoiceAdmin(_Shown):
    list_display = ("symbol", "timeframe", "source", "reason", "times", "chosen_at")
    list_filter = ("source", "timeframe", "chosen_at")
    search_fields = ("symbol",)


@admin.register(Revision)
class RevisionAdmin(_Shown):
    list_display = ("noticed_at", "instrument", "timeframe", "kind", "bars", "max_change_pct", "first_at", "last_at")
    list_filter = ("kind", "timeframe", "instrument__source", "noticed_at")
    search_fields = ("instrument__symbol",)
    date_hierarchy = "noticed_at"
    list_select_related = ("instrument",)


@admin.register(SourceComparison)
class SourceComparisonAdmin(_Shown):
    list_display = ("symbol", "first", "second", "days", "differing", "max_diff_pct", "worst_day", "compared_at")
    list_filter = ("first__instrument__source", "second__instrument__source", "compared_at")
    search_fields = ("symbol",)
    list_select_related = ("first__instrument", "second__instrument")


@admin.register(Refetch)
class RefetchAdmin(_Shown):
    list_display = ("created_at", "instrument", "timeframe", "asked_by", "state", "added", "changed", "finished_at")
    list_filter = ("state", "timeframe", "created_at")
    search_fields = ("instrument__symbol", "asked_by__username")
    date_hierarchy = "created_at"
    list_select_related = ("instrument", "asked_by")
