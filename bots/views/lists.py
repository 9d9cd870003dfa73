"""Lists of sessions, and what the search finds of sessions and bots."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from bots import selectors
from bots.models import TradingSession
from bots.presenters import heads
from bots.selectors import pages

PAGE_SIZE = 25
MAX_FOUND = 6
# what a filter of the list may say → how it is selected
GROUPS = (("active", "Active"), ("attention", "Needs you"), ("over", "Over"))
SORTS = {"started": "created_at", "equity": "equity", "pnl": "total_pnl", "trips": "total_trades"}


@login_required
@require_GET
def sessions(request: HttpRequest) -> HttpResponse:
    """The user's sessions; filters, sort and page stand in the address."""
    query = request.GET
    group = query.get("group", "") if query.get("group") in dict(GROUPS) else ""
    bot_id = int(query["bot"]) if query.get("bot", "").isdecimal() and len(query["bot"]) < 18 else None
    words = query.get("q", "").strip().replace("\x00", "")[:60]
    sort = query.get("sort", "") if query.get("sort", "").removeprefix("-") in SORTS else "-started"
    sign = "-" if sort.startswith("-") else ""
    column = sign + SORTS[sort.removeprefix("-")]
    found = selectors.sessions(request.user, bot_id=bot_id, search=words, sort=column)
    states = {
        "active": TradingSession.ACTIVE,
        "attention": ("HALTED", "FAILED", "DEGRADED", "ORPHANED"),
        "over": ("STOPPED", "FAILED"),
    }
    if group:
        found = found.filter(state__in=states[group])
    page = Paginator(pages.with_sign(found), PAGE_SIZE).get_page(query.get("page"))
    rows = heads(list(page.object_list))
    filtered = bool(group or bot_id is not None or words)
    shown = {"page": page, "heads": rows, "group": group, "groups": GROUPS, "q": words, "sort": sort}
    shown |= {"bots": selectors.bots(request.user), "bot_id": bot_id, "filtered": filtered}
    return render(request, "bots/sessions.html", shown)


@login_required
@require_GET
def palette(request: HttpRequest) -> JsonResponse:
    """Sessions and bots for the search: ``{results: [{label, kind, url, post?}]}``; with `post` choosing it does it."""
    words = request.GET.get("q", "").strip().replace("\x00", "")[:60]
    results: list[dict[str, object]] = []
    if words:
        # "pause gold" finds the session and what can be done with it
        verb, _, rest = words.partition(" ")
        asked = rest if verb.lower() in ("pause", "resume", "stop") and rest else words
        for session in selectors.sessions(request.user, search=asked)[:MAX_FOUND]:
            address = reverse("bots:session", args=[session.pk])
            results.append({"label": str(session), "kind": f"Session, {session.word.lower()}", "url": address})
            results += _actions(session)
        for bot in selectors.bots(request.user, search=words)[:MAX_FOUND]:
            results.append({"label": bot.name, "kind": "Bot", "url": reverse("bots:bot", args=[bot.pk])})
    return JsonResponse({"results": results})


def _actions(session: TradingSession) -> list[dict[str, object]]:
    if not session.is_active or session.wanted == TradingSession.Wanted.STOP:
        return []
    name = "pause" if session.wanted == TradingSession.Wanted.RUN else "resume"
    do = {"label": f"{name.capitalize()} {session}", "kind": "Do it", "url": reverse(f"bots:{name}", args=[session.pk])}
    address = reverse("bots:session", args=[session.pk])
    return [{**do, "post": True}, {"label": f"Stop {session} …", "kind": "Asks first", "url": f"{address}#stop"}]
