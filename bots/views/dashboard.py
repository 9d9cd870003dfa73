"""The dashboard: what all sessions are worth and do right now. Visitors see what the platform is."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET

from accounts.selectors import notifications
from bots import selectors
from bots.models import TradingSession
from bots.presenters import cards
from bots.selectors import pages
from bots.services.feeds import EXCHANGE
from marketdata import selectors as market
from marketdata import selectors_watchlist

MOST_CARDS = 24
MOST_POSITIONS, MOST_TRADES, MOST_ALERTS = 12, 8, 4
CHART_MODES = (("pnl", "Profit and loss"), ("equity", "Equity"))
ATTENTION = ("HALTED", "DEGRADED", "ORPHANED")
PARTS = {"tiles": "dashboard_tiles", "sessions": "dashboard_sessions", "lists": "dashboard_lists"}


def home(request: HttpRequest) -> HttpResponse:
    """The dashboard for who is signed in, with ``?part=`` one part of it for htmx; what it is, for visitors."""
    if not request.user.is_authenticated:
        return render(request, "home.html", {"sign_up_open": settings.SIGN_UP_OPEN})
    live = list(pages.live_sessions(request.user)[:MOST_CARDS])
    part = request.GET.get("part", "") if request.htmx else ""
    shown: dict[str, Any] = {"sessions": live, "totals": pages.totals(live)}
    if part not in PARTS or part == "sessions":
        shown["cards"] = cards(live)
        shown["attention"] = [session for session in live if session.state in ATTENTION]
        shown["alerts"] = notifications(request.user, unread=True)[:MOST_ALERTS]
    if part not in PARTS or part == "lists":
        shown |= _lists(request)
    if part in PARTS:
        answer = render(request, f"bots/parts/{PARTS[part]}.html", shown)
    else:
        shown["chart_modes"] = CHART_MODES
        shown["watched"] = selectors_watchlist.watched(request.user)
        shown["market"] = market.market_status(EXCHANGE, timezone.now())
        shown["hours"] = market.calendar_confirmed(EXCHANGE, timezone.now())
        shown["show_welcome"] = not request.user.welcome_done
        shown["any_session"] = bool(live) or TradingSession.objects.filter(owner=request.user).exists()
        answer = render(request, "bots/dashboard.html", shown)
    answer["Cache-Control"] = "no-store"
    # One address, several answers: without this, Back could show a part as if it were the page.
    patch_vary_headers(answer, ["HX-Request"])
    return answer


def _lists(request: HttpRequest) -> dict[str, Any]:
    positions = list(pages.open_positions(request.user)[: MOST_POSITIONS + 1])
    return {
        "positions": positions[:MOST_POSITIONS],
        "more_positions": len(positions) > MOST_POSITIONS,
        "trades": selectors.trades(request.user)[:MOST_TRADES],
    }


@login_required
@require_GET
def equity(request: HttpRequest) -> JsonResponse:
    """Profit and loss, and equity, of all sessions together (`selectors.user_pnl`)."""
    return JsonResponse(selectors.user_pnl(request.user), headers={"Cache-Control": "no-store"})
