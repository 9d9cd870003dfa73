"""The operators' desk of the gallery: reports that came in, and what is taken out because of them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from strategies.gallery import opinions
from strategies.gallery.models import Publication, Rating, Report

DEFAULT_REASON = "An operator found that it does not belong here. Write to the operators of this site."


@admin.register(Publication)
class PublicationAdmin(admin.ModelAdmin):
    list_display = ("name", "owner", "kind", "is_listed", "hidden", "open_reports", "state", "published_at")
    list_filter = ("hidden", "is_listed", "kind", "state", "published_at")
    search_fields = ("name", "description", "owner__username")
    list_select_related = ("owner",)
    fields = ("name", "owner", "description", "kind", "is_listed", "hidden", "hidden_reason", "state", "problem")
    readonly_fields = ("name", "owner", "description", "kind", "is_listed", "hidden", "state", "problem")
    actions = ("hide", "show_again")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Publication]:
        rows = super().get_queryset(request).defer("chart", "figures")
        return rows.annotate(reports_open=Count("reports", filter=Q(reports__resolved_at=None)))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="Open reports", ordering="reports_open")
    def open_reports(self, row: Any) -> int:
        return int(row.reports_open)

    @admin.action(description="Take out of the gallery", permissions=["change"])
    def hide(self, request: HttpRequest, rows: QuerySet[Publication]) -> None:
        opinions.hide(rows, DEFAULT_REASON)
        self.message_user(request, "Taken out. Their owners are told; write the reason into each.")

    @admin.action(description="Put back into the gallery", permissions=["change"])
    def show_again(self, request: HttpRequest, rows: QuerySet[Publication]) -> None:
        opinions.show_again(rows)
        self.message_user(request, "They are in the gallery again.")


@admin.register(Rating)
class RatingAdmin(admin.ModelAdmin):
    list_display = ("publication", "user", "stars", "comment", "hidden", "updated_at")
    list_filter = ("hidden", "stars", "updated_at")
    search_fields = ("comment", "user__username", "publication__name")
    list_select_related = ("publication", "user")
    fields = ("publication", "user", "stars", "comment", "hidden")
    readonly_fields = ("publication", "user", "stars", "comment")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Report)
class ReportAdmin(admin.ModelAdmin):
    list_display = ("publication", "user", "reason", "resolved_at", "created_at")
    list_filter = (("resolved_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("reason", "user__username", "publication__name")
    list_select_related = ("publication", "user")
    fields = ("publication", "user", "reason", "resolved_at", "created_at")
    readonly_fields = ("publication", "user", "reason", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
