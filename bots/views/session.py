"""One session: its page with tabs, the parts of it that are fetched again while it runs, and what its charts draw."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET

from bots import selectors, words
from bots.presenters import heads
from bots.presenters.session_tabs import TABS, content
from bots.selectors import pages
from tradingsite.lib.errors import NotFound

TAB_NAMES = tuple(name for name, _ in TABS)


@login_required
@require_GET
def detail(request: HttpRequest, session_id: int) -> HttpResponse:
    """The page of a session in whatever state it is. ``?tab=`` chooses the tab.

    With ``?part=head`` or ``?part=body`` an htmx request gets that part alone, as it stands now.
    """
    session = pages.get(request.user, session_id)
    asked = request.GET.get("tab", "")
    tab = asked if asked in TAB_NAMES else "overview"
    part = request.GET.get("part", "") if request.htmx else ""
    shown: dict[str, Any] = {"session": session, "head": heads([session])[0], "tab": tab, "tabs": TABS}
    shown["body_url"], shown["head_url"] = _part_url(request, "body"), _part_url(request, "head")
    if part == "head":
        answer = render(request, "bots/parts/session_head.html", shown | {"oob": True})
    else:
        shown |= content(session, tab, request.GET)
        template = f"bots/tabs/{tab}.html" if part == "body" else "bots/session.html"
        answer = render(request, template, shown | {"reasons": words.REASONS})
    answer["Cache-Control"] = "no-store"
    # One address, several answers: without this, Back could show a part as if it were the page.
    patch_vary_headers(answer, ["HX-Request"])
    return answer


def _part_url(request: HttpRequest, part: str) -> str:
    query = request.GET.copy()
    query["part"] = part
    return f"{request.path}?{query.urlencode()}"


@login_required
@require_GET
def price_data(request: HttpRequest, session_id: int, symbol: str) -> JsonResponse:
    """Candles, lines and trades of one symbol (`selectors.pages.price_chart`); ``?since=`` (Unix s): from there on."""
    session = selectors.session(request.user, session_id)
    if symbol not in session.symbols:
        raise NotFound()
    return _fresh(pages.price_chart(session, symbol, since=_second(request.GET.get("since", ""))))


@login_required
@require_GET
def equity_data(request: HttpRequest, session_id: int) -> JsonResponse:
    """Its equity over time (`selectors.session_equity`)."""
    return _fresh(selectors.session_equity(selectors.session(request.user, session_id)))


def _fresh(content: dict[str, Any]) -> JsonResponse:
    return JsonResponse(content, headers={"Cache-Control": "no-store"})


def _second(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else 0
