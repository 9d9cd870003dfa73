"""Pages of backtests: list, new, running, result, compare. Thin: what they show comes from selectors, what they do from services."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


@login_required
def backtest_list(request: HttpRequest) -> HttpResponse:
    return render(request, "backtests/list.html")
