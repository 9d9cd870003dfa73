"""The tabs of a session's page: what each reads, in as few queries as it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import QueryDict

from bots import selectors, words
from bots.forms import SettingsForm
from bots.models import Mode, Order, Position, SessionCommand, SessionEvent, SessionSettings, TradingSession
from bots.orders import GROUPS
from bots.selectors import returns
from bots.states import OVER
from strategies import session_settings

PAGE_SIZE = 50
LATEST = 8
TABS = (
    ("overview", "Overview"),
    ("positions", "Positions"),
    ("orders", "Orders"),
    ("decisions", "Why no trade?"),
    ("settings", "Settings"),
    ("parity", "Parity"),
    ("log", "Log"),
)


def content(session: TradingSession, tab: str, query: QueryDict) -> dict[str, Any]:
    """What the tab's template draws."""
    return _READERS[tab](session, query)


def _overview(session: TradingSession, query: QueryDict) -> dict[str, Any]:
    return {
        "positions": _held(session),
        "closing": closing(session),
        "leaving": leaving(session),
        "trades": session.trades.select_related("order").order_by("-executed_at", "-pk")[:LATEST],
        "returns": returns.of_session(session) if session.mode == Mode.LIVE else None,
    }


def _positions(session: TradingSession, query: QueryDict) -> dict[str, Any]:
    closed = session.positions.filter(is_open=False).order_by("-closed_at", "-pk")
    shown = {"positions": _held(session), "closing": closing(session), "leaving": leaving(session)}
    return {**shown, "page": _page(closed, query)}


def _held(session: TradingSession) -> QuerySet[Position]:
    return session.positions.filter(is_open=True).order_by("symbol")


def closing(session: TradingSession) -> set[str]:
    """Symbols whose close is asked for and not done yet; the empty one stands for all."""
    waiting = session.commands.filter(kind=SessionCommand.Kind.CLOSE_POSITION, done_at__isnull=True)
    return set(waiting.values_list("symbol", flat=True))


def leaving(session: TradingSession) -> set[str]:
    """Symbols of which units are to be taken over or given back, and are not booked yet."""
    waiting = session.booking_requests.filter(kind__in=("adopt", "release"), done_at__isnull=True)
    return set(waiting.values_list("symbol", flat=True)) if session.mode == Mode.LIVE else set()


def _orders(session: TradingSession, query: QueryDict) -> dict[str, Any]:
    group = query.get("group", "")
    group = group if group in GROUPS else ""
    rank = Case(
        *(When(state__in=states, then=Value(place)) for place, states in enumerate(GROUPS.values())),
        output_field=IntegerField(),
    )
    rows: QuerySet[Order] = session.orders.annotate(rank=rank).order_by("rank", "-decided_at", "-pk")
    if group:
        rows = rows.filter(state__in=GROUPS[group])
    groups = (("pending", "Pending"), ("active", "At the venue"), ("closed", "Closed"))
    return {"page": _page(rows, query), "group": group, "groups": groups}


def _decisions(session: TradingSession, query: QueryDict) -> dict[str, Any]:
    counts = selectors.outcome_counts(session)
    outcome = query.get("outcome", "") if query.get("outcome") in counts else ""
    symbol = query.get("symbol", "") if query.get("symbol") in session.symbols else ""
    rows = selectors.decisions(session, symbol=symbol, outcome=outcome)
    known = [(code, f"{words.plain(words.OUTCOMES, code)} ({count:,})") for code, count in counts.items()]
    return {"page": _page(rows, query), "outcome": outcome, "outcomes": known, "symbol": symbol}


def _settings(session: TradingSession, query: QueryDict) -> dict[str, Any]:
    versions = list(selectors.settings_history(session))
    held = _held(session).values_list("symbol", "settings_version")
    older = [(symbol, version) for symbol, version in held if versions and version != versions[0].version]
    shown = {"versions": [_version(row) for row in versions], "older": older}
    # What is over keeps its settings as history.
    return shown if session.state in OVER else {"form": SettingsForm(versions[0]), **shown}


def _version(row: SessionSettings) -> dict[str, Any]:
    labels = {name: param.declaration()["label"] or name for name, param in session_settings.SETTINGS.items()}
    changes = [
        {"label": labels.get(name, name), "before": _shown(before), "after": _shown(after)}
        for name, (before, after) in row.changes.items()
    ]
    return {"row": row, "changes": changes}


def _shown(value: object) -> str:
    if value is None or value == "":
        return "off"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _parity(session: TradingSession, query: QueryDict) -> dict[str, Any]:
    reports = list(session.parity_reports.order_by("-made_at", "-pk")[:10])
    report = reports[0] if reports else None
    counts: Mapping[str, int] = report.counts if report else {}
    return {"report": report, "reports": reports, "counts": sorted(counts.items())}


def _log(session: TradingSession, query: QueryDict) -> dict[str, Any]:
    levels = list(SessionEvent.Level.choices)
    level = query.get("level", "") if query.get("level") in dict(levels) else ""
    return {"page": _page(selectors.events(session, level=level), query), "level": level, "levels": levels}


def _page(rows: QuerySet[Any], query: QueryDict) -> Any:
    return Paginator(rows, PAGE_SIZE).get_page(query.get("page"))


_READERS = {
    "overview": _overview,
    "positions": _positions,
    "orders": _orders,
    "decisions": _decisions,
    "settings": _settings,
    "parity": _parity,
    "log": _log,
}
