"""Operators' view of bots and trading sessions. The ledger is history: read, never edited or deleted.

What an operator may do is to stop a session; that it is done by them stands in the session's log and the audit trail.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from bots.models import (
    Adjustment,
    BookingRequest,
    Bot,
    BotSecrets,
    BotTemplate,
    BrokerExecution,
    BrokerHolding,
    CashCheckpoint,
    CashFlow,
    Cycle,
    DailyStats,
    Decision,
    Discrepancy,
    HostSign,
    Order,
    PaperOrder,
    ParityReport,
    PortfolioSnapshot,
    Position,
    SessionCommand,
    SessionEvent,
    SessionMemory,
    SessionSettings,
    Trade,
    TradingSession,
)
from bots.selectors.system import is_alive
from bots.services import sessions
from bots.states import OVER


class _History(admin.ModelAdmin):
    """Rows that only the platform writes."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Bot)
class BotAdmin(_History):
    list_display = ("name", "owner", "strategy", "timeframe", "feed", "run", "capital", "updated_at")
    list_filter = ("run", "feed", "strategy", "timeframe", "is_demo")
    search_fields = ("name", "owner__username", "strategy")
    list_select_related = ("owner",)


@admin.register(TradingSession)
class TradingSessionAdmin(_History):
    list_display = (
        "id", "owner", "bot", "mode", "state", "wanted", "strategy", "timeframe", "host", "lease_expires_at",
        "total_trades", "total_pnl", "open_positions", "last_bar_at", "created_at",
    )  # fmt: skip
    list_filter = ("state", "wanted", "mode", "feed", "strategy", "timeframe", "created_at")
    search_fields = ("id", "name", "owner__username", "bot__name", "strategy", "host")
    list_select_related = ("owner", "bot")
    date_hierarchy = "created_at"
    actions = ("stop_keeping", "stop_flattening")

    @admin.action(description="Halt: stop the chosen sessions, keep their positions", permissions=["halt"])
    def stop_keeping(self, request: HttpRequest, chosen: QuerySet[TradingSession]) -> None:
        self._stop(request, chosen, TradingSession.StopPolicy.KEEP)

    @admin.action(description="Halt: stop the chosen sessions, close their positions", permissions=["halt"])
    def stop_flattening(self, request: HttpRequest, chosen: QuerySet[TradingSession]) -> None:
        self._stop(request, chosen, TradingSession.StopPolicy.FLATTEN)

    def has_halt_permission(self, request: HttpRequest) -> bool:
        """Every operator who sees the sessions may stop them."""
        return self.has_view_permission(request)

    def _stop(self, request: HttpRequest, chosen: QuerySet[TradingSession], policy: str) -> None:
        going = chosen.exclude(state__in=OVER)
        for session in going:
            sessions.end(session, policy, reason="operator", by=request.user)  # type: ignore[arg-type]
        self.message_user(request, f"{len(going)} sessions are being stopped.", messages.WARNING)


@admin.register(SessionSettings)
class SessionSettingsAdmin(_History):
    list_display = ("session", "version", "rolled_back_to", "changed_by", "created_at")
    list_filter = ("order_type_default", "position_sizing_method", "created_at")
    search_fields = ("session__id", "session__owner__username", "changed_by__username")
    list_select_related = ("session", "changed_by")


@admin.register(Order)
class OrderAdmin(_History):
    list_display = (
        "decided_at", "session_id", "symbol", "side", "kind", "qty", "filled_qty", "avg_fill_px", "state", "reason",
        "late_fill",
    )  # fmt: skip
    list_filter = ("state", "side", "kind", "is_entry", "late_fill", "decided_at")
    search_fields = ("symbol", "client_order_id", "broker_order_id", "session__id", "session__owner__username")
    date_hierarchy = "decided_at"


@admin.register(PaperOrder)
class PaperOrderAdmin(_History):
    list_display = ("accepted_at", "session_id", "symbol", "side", "kind", "qty", "is_working", "client_order_id")
    list_filter = ("is_working", "side", "kind")
    search_fields = ("client_order_id", "symbol", "session__id")


@admin.register(Trade)
class TradeAdmin(_History):
    list_display = (
        "executed_at",
        "session_id",
        "symbol",
        "side",
        "qty",
        "px",
        "commission",
        "slippage",
        "realised_pnl",
    )
    list_filter = ("side", "is_entry", "session__mode", "executed_at")
    search_fields = ("symbol", "execution_id", "client_order_id", "broker_order_id", "session__owner__username")
    date_hierarchy = "executed_at"


@admin.register(Position)
class PositionAdmin(_History):
    list_display = (
        "opened_at", "session_id", "symbol", "number", "side", "is_open", "qty", "entry_px", "current_px",
        "realised_pnl", "unrealised_pnl", "exit_reason",
    )  # fmt: skip
    list_filter = ("is_open", "side", "exit_reason", "opened_at")
    search_fields = ("symbol", "session__id", "session__owner__username")
    date_hierarchy = "opened_at"


@admin.register(Decision)
class DecisionAdmin(_History):
    list_display = ("closed_at", "session_id", "symbol", "timeframe", "action", "confidence", "outcome", "detail")
    list_filter = ("outcome", "action", "timeframe", "decides")
    search_fields = ("symbol", "session__id", "session__owner__username")


@admin.register(Cycle)
class CycleAdmin(_History):
    list_display = ("closed_at", "session_id", "equity", "cash", "exposure", "blocked", "caught_up", "settings_version")
    list_filter = ("caught_up", "blocked")
    search_fields = ("session__id", "session__owner__username")


@admin.register(PortfolioSnapshot)
class PortfolioSnapshotAdmin(_History):
    list_display = ("ts", "session_id", "mode", "total_value", "cash")
    list_filter = ("mode", "ts")
    search_fields = ("session__id", "session__owner__username")
    date_hierarchy = "ts"


@admin.register(DailyStats)
class DailyStatsAdmin(_History):
    list_display = ("day", "session_id", "bot", "trades", "round_trips", "wins", "losses", "realised_pnl", "fees")
    list_filter = ("day",)
    search_fields = ("session__id", "session__owner__username", "bot__name")
    list_select_related = ("bot",)
    date_hierarchy = "day"


@admin.register(SessionEvent)
class SessionEventAdmin(_History):
    list_display = ("at", "session_id", "level", "kind", "text", "by")
    list_filter = ("level", "kind", "at")
    search_fields = ("text", "session__id", "session__owner__username", "by__username")
    list_select_related = ("by",)
    date_hierarchy = "at"


@admin.register(SessionCommand)
class SessionCommandAdmin(_History):
    list_display = ("requested_at", "session_id", "kind", "symbol", "requested_by", "done_at", "outcome")
    list_filter = ("kind", "requested_at")
    search_fields = ("symbol", "session__id", "requested_by__username")
    list_select_related = ("requested_by",)


@admin.register(SessionMemory)
class SessionMemoryAdmin(_History):
    list_display = ("session_id", "first_ns")
    list_filter = ("session__state",)
    search_fields = ("session__id", "session__owner__username")
    fields = ("session", "first_ns")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SessionMemory]:
        return super().get_queryset(request).defer("checkpoint", "history")


@admin.register(ParityReport)
class ParityReportAdmin(_History):
    list_display = ("made_at", "session_id", "identical", "cycles", "orders_compared", "fills_compared", "counts")
    list_filter = ("identical", "made_at")
    search_fields = ("session__id", "session__owner__username")


@admin.register(BotTemplate)
class BotTemplateAdmin(_History):
    list_display = ("name", "owner", "kind", "risk", "is_shared", "uses", "updated_at")
    list_filter = ("is_shared", "kind", "risk", "updated_at")
    search_fields = ("name", "owner__username")
    list_select_related = ("owner",)


@admin.register(BotSecrets)
class BotSecretsAdmin(_History):
    """Whether a bot keeps secrets, and nothing of what they are."""

    fields = ("bot", "testnet", "telegram_trades", "updated_at")
    readonly_fields = fields
    list_display = fields
    list_filter = ("testnet", "telegram_trades", "updated_at")
    search_fields = ("bot__name", "bot__owner__username")
    list_select_related = ("bot",)


@admin.register(BrokerExecution)
class BrokerExecutionAdmin(_History):
    """Every execution that a venue told of; without a session it is external."""

    list_display = (
        "executed_at", "broker_account", "session_id", "symbol", "side", "qty", "px", "fee", "fee_asset",
        "execution_id",
    )  # fmt: skip
    list_filter = ("side", ("session", admin.EmptyFieldListFilter), "broker_account__kind", "executed_at")
    search_fields = (
        "symbol", "execution_id", "client_order_id", "broker_order_id", "broker_account__name",
        "broker_account__owner__username",
    )  # fmt: skip
    list_select_related = ("broker_account",)
    date_hierarchy = "executed_at"


@admin.register(CashFlow)
class CashFlowAdmin(_History):
    list_display = ("at", "broker_account", "kind", "amount", "currency", "symbol", "text", "ref")
    list_filter = ("kind", "currency", "broker_account__kind", "at")
    search_fields = ("ref", "symbol", "text", "broker_account__name", "broker_account__owner__username")
    list_select_related = ("broker_account",)
    date_hierarchy = "at"


@admin.register(Adjustment)
class AdjustmentAdmin(_History):
    list_display = ("at", "session_id", "kind", "symbol", "qty", "px", "ratio", "amount", "is_flow", "ref", "text")
    list_filter = ("kind", "is_flow", "at")
    search_fields = ("ref", "symbol", "text", "session__id", "session__owner__username")
    date_hierarchy = "at"


@admin.register(Discrepancy)
class DiscrepancyAdmin(_History):
    list_display = (
        "found_at", "broker_account", "kind", "symbol", "ours", "theirs", "state", "session_id", "decided_by",
        "decided_at", "ended_at",
    )  # fmt: skip
    list_filter = ("state", "kind", "broker_account__kind", "found_at")
    search_fields = ("text", "key", "symbol", "broker_account__name", "broker_account__owner__username")
    list_select_related = ("broker_account", "decided_by")
    date_hierarchy = "found_at"


@admin.register(BrokerHolding)
class BrokerHoldingAdmin(_History):
    """What venues say accounts hold, and how much of it belongs to no session."""

    list_display = ("broker_account", "symbol", "qty", "external", "avg_px", "mark", "seen_at")
    list_filter = ("broker_account__kind", "broker_account__environment", "seen_at")
    search_fields = ("symbol", "broker_account__name", "broker_account__owner__username")
    list_select_related = ("broker_account",)


@admin.register(CashCheckpoint)
class CashCheckpointAdmin(_History):
    """What old executions and flows of accounts come to."""

    list_display = ("broker_account", "total", "currency", "execution", "flow", "made_at")
    list_filter = ("currency", "made_at")
    search_fields = ("broker_account__name", "broker_account__owner__username")
    list_select_related = ("broker_account",)


@admin.register(BookingRequest)
class BookingRequestAdmin(_History):
    list_display = (
        "requested_at", "session_id", "kind", "symbol", "qty", "px", "amount", "requested_by", "done_at", "refused",
    )  # fmt: skip
    list_filter = ("kind", "is_flow", ("done_at", admin.EmptyFieldListFilter), "requested_at")
    search_fields = ("ref", "symbol", "text", "session__id", "session__owner__username")
    list_select_related = ("requested_by",)


@admin.register(HostSign)
class HostSignAdmin(_History):
    """What each host measures of itself; times are the median and the 99th of a hundred, in milliseconds."""

    list_display = (
        "name", "seen_at", "alive", "sessions", "signal", "intent", "ack", "booked", "orders_per_s", "messages_per_s",
        "memory", "cpu",
    )  # fmt: skip
    list_filter = ("seen_at",)
    search_fields = ("name",)

    @admin.display(boolean=True)
    def alive(self, sign: HostSign) -> bool:
        return is_alive(sign)

    @admin.display(description="signal ms")
    def signal(self, sign: HostSign) -> str:
        return _took(sign, "signal")

    @admin.display(description="close to intent ms")
    def intent(self, sign: HostSign) -> str:
        return _took(sign, "intent")

    @admin.display(description="intent to venue ms")
    def ack(self, sign: HostSign) -> str:
        return _took(sign, "ack")

    @admin.display(description="fill to ledger ms")
    def booked(self, sign: HostSign) -> str:
        return _took(sign, "booked")

    @admin.display(description="orders a second")
    def orders_per_s(self, sign: HostSign) -> str:
        return str(sign.stats.get("orders_per_s", "–"))

    @admin.display(description="messages a second")
    def messages_per_s(self, sign: HostSign) -> str:
        return str(sign.stats.get("messages_per_s", "–"))

    @admin.display(description="memory MB")
    def memory(self, sign: HostSign) -> str:
        return str(sign.stats.get("machine", {}).get("memory", {}).get("process_mb", "–"))

    @admin.display(description="% of a core")
    def cpu(self, sign: HostSign) -> str:
        return str(sign.stats.get("machine", {}).get("cpu", {}).get("process_pct", "–"))


def _took(sign: HostSign, name: str) -> str:
    times = sign.stats.get("latency_ms", {}).get(name)
    return f"{times['p50']:.1f} · {times['p99']:.1f}" if times else "–"
