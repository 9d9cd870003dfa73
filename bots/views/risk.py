"""Risk over all of a user's bots: exposure, limits and how near they are, correlation, the stop button, the alerts."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from accounts import selectors as account_selectors
from accounts.models import RiskEnvelope, User
from accounts.services import risk as account_risk
from accounts.services import stepup
from bots import selectors
from bots.models import TradingSession
from bots.selectors import records
from bots.selectors import risk as reads
from bots.services import emergency, sessions
from bots.views.limits_form import LimitsForm
from engine.errors import InputError
from tradingsite.lib.errors import ApiError, Conflict
from tradingsite.lib.templatetags.figures import MINUS

NEAR_PCT, FULL_PCT = 80.0, 100.0
EVENTS, CHANGES, LOOK_BACK = 20, 6, datetime.timedelta(days=7)
LEVELS = (
    (
        "pause_entries",
        "Stop entries",
        "Nothing new is opened. Exits, stops and targets go on, and every session can be resumed.",
    ),
    (
        "stop_keep",
        "Stop sessions, keep positions",
        "Entries are canceled and every session ends. What is held stays, and nobody watches it any more.",
    ),
    (
        "flatten",
        "Close everything",
        "Entries are canceled, every position is closed at the market, then every session ends.",
    ),
)
# how strong a correlation is → step of its shade
_STRONG = (0.3, 0.6, 0.85)
_TOGETHER = 0.7


@login_required
@require_GET
def risk(request: HttpRequest) -> HttpResponse:
    """Everything about the user's risk on one page."""
    envelope = account_selectors.risk_envelope(request.user)
    return render(request, "bots/risk.html", _shown(request.user, envelope, LimitsForm.of(envelope)))


@login_required
@require_POST
def stop(request: HttpRequest) -> HttpResponse:
    """Throws the kill switch, and goes on to every session as far as `level` says. Pressed again it goes further."""
    level = request.POST.get("level", "")
    if level not in emergency.LEVELS:
        messages.error(request, "Choose how far to stop.")
        return redirect("risk")
    try:
        account_risk.throw_kill_switch(request.user, True, request.POST.get("reason", ""))
    except InputError as refusal:
        messages.error(request, refusal.faults[0].message)
        return redirect("risk")
    emergency.stop_everything(request.user, "user", level)
    return redirect("risk")


@login_required
@require_POST
def allow(request: HttpRequest) -> HttpResponse:
    """Takes the kill switch back; with `resume`, the sessions that are paused go on."""
    account_risk.throw_kill_switch(request.user, False)
    resumed = 0
    if request.POST.get("resume") == "true":
        paused = selectors.sessions(request.user).filter(
            state__in=TradingSession.ACTIVE, wanted=TradingSession.Wanted.PAUSE
        )
        for pk in list(paused.values_list("pk", flat=True)):
            try:
                sessions.resume(request.user, pk)
            except Conflict:
                continue  # it has ended meanwhile
            resumed += 1
    text = "Entries are allowed again."
    messages.success(request, f"{text} {resumed} sessions go on." if resumed else text)
    return redirect("risk")


@login_required
@require_GET
def progress(request: HttpRequest) -> HttpResponse:
    """How far stopping has come; asked again and again by the page until nothing is left to do."""
    shown = _progress(request.user, account_selectors.risk_envelope(request.user))
    return render(request, "bots/risk_progress.html", shown)


@sensitive_post_parameters("password")
@login_required
@require_POST
def limits(request: HttpRequest) -> HttpResponse:
    """Saves the limits over all bots; what was typed stays where something is wrong with it."""
    form = LimitsForm.sent(request.POST)
    values = form.check()
    status = 200 if values is not None else 400
    if values is not None and account_risk.loosens(request.user, values):
        try:
            stepup.require(request, request.POST.get("password", ""), what="raising a limit over real money")
        except (InputError, ApiError) as refusal:
            form.ask_password(refusal.faults[0].message if isinstance(refusal, InputError) else str(refusal))
            status = getattr(refusal, "status", 400)
    if values is None or status != 200:
        envelope = account_selectors.risk_envelope(request.user)
        return render(request, "bots/risk.html", _shown(request.user, envelope, form), status=status)
    account_risk.set_envelope(request.user, values)
    messages.success(request, "Limits saved. Running sessions keep to them from their next decision on.")
    return redirect("risk")


@login_required
@require_POST
def check_limits(request: HttpRequest) -> HttpResponse:
    """The live check: every field's error as it is now, and what the limits would mean for what is held."""
    form = LimitsForm.sent(request.POST)
    values = form.check()
    over = []
    if values is not None:
        meant = RiskEnvelope(user=request.user, **account_risk.clean_envelope(values))
        over = [limit for limit in _measured(request.user, meant)[2] if (limit.used_pct or 0.0) > FULL_PCT]
    return render(request, "bots/risk_check.html", {"form": form, "over": over})


def _shown(user: User, envelope: RiskEnvelope, form: LimitsForm) -> dict[str, Any]:
    held, ordered, kept = _measured(user, envelope)
    near = [limit for limit in kept if (limit.used_pct or 0.0) >= NEAR_PCT]
    by_session = selectors.limits(user)
    sessions_near = [row for row in by_session if row["used_pct"] >= NEAR_PCT]
    return {
        "envelope": envelope,
        "platform": account_selectors.platform_switch(),
        "levels": LEVELS,
        **_progress(user, envelope),
        "held": held,
        "symbols": _with_share(held["symbols"], ordered),
        "ordered": sum(abs(value) for value in ordered.values()),
        "limits": kept,
        "near": near,
        "session_limits": by_session,
        "sessions_near": sessions_near,
        "near_count": len(near) + len(sessions_near),
        "matrix": matrix(selectors.correlation(user)),
        "events": list(reads.guard_events(user, timezone.now() - LOOK_BACK, EVENTS)),
        "changes": list(reads.changes(user, CHANGES)),
        "form": form,
        "topics": records.live_topics(user),
    }


def _measured(user: User, envelope: RiskEnvelope) -> tuple[dict[str, Any], dict[str, Any], list[reads.Limit]]:
    held = selectors.exposure(user, {name: group["symbols"] for name, group in envelope.named_groups})
    ordered = reads.on_order(user)
    return held, ordered, reads.account_limits(envelope, held, ordered, selectors.active_count(user))


def _progress(user: User, envelope: RiskEnvelope) -> dict[str, Any]:
    rows = reads.stopping(user, envelope.kill_at) if envelope.kill_switch else []
    return {
        "envelope": envelope,
        "stopping": rows,
        "done": sum(row.done for row in rows),
        "left_orders": sum(row.working_orders for row in rows if row.stops),
        "left_positions": sum(row.open_positions for row in rows if row.stops and not row.done),
        "paused": sum(row.done and not row.stops for row in rows),
        "all_done": all(row.done for row in rows),
    }


def _with_share(rows: Sequence[Mapping[str, Any]], ordered: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each symbol with `bar`, its net against the largest gross (-1 to 1), and `ordered`, its money on order."""
    largest = max((row["gross"] for row in rows), default=0)
    return [
        {
            **row,
            "bar": float(row["net"] / largest) if largest else 0.0,
            "ordered": ordered.get(row["symbol"], 0),
        }
        for row in rows
    ]


def matrix(found: Mapping[str, Any]) -> dict[str, Any]:
    """The correlations as a grid: ``{symbols, rows: [{symbol, cells: [{text, shade, title}]}], together: [words]}``."""
    symbols, rows, together = found["symbols"], [], []
    for i, symbol in enumerate(symbols):
        cells = []
        for j, other in enumerate(symbols):
            value, count = found["matrix"][i][j], found["observations"][i][j]
            cells.append(_correlation(symbol, other, value, count, same=i == j))
            if j > i and value is not None and value >= _TOGETHER:
                together.append(f"{symbol} and {other} ({value:.2f})")
        rows.append({"symbol": symbol, "cells": cells})
    known = any(found["matrix"][i][j] is not None for i in range(len(symbols)) for j in range(i))
    return {"symbols": symbols, "rows": rows, "together": together, "known": known}


def _correlation(symbol: str, other: str, value: float | None, count: int, *, same: bool) -> dict[str, str]:
    if same:
        return {"text": "1", "shade": "same", "title": symbol}
    if value is None:
        return {"text": "–", "shade": "", "title": f"{symbol} and {other}: {count} bars together are too few"}
    strength = sum(abs(value) >= least for least in _STRONG)
    text = f"{MINUS if value < 0 else ''}{abs(value):.2f}"
    shade = f"{'with' if value > 0 else 'against'}{strength}" if strength else ""
    return {"text": text, "shade": shade, "title": f"{symbol} and {other}: {text} over {count} bars"}
