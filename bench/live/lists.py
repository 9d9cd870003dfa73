"""The list of sessions in the API against the plainest list that REST framework makes of the same rows."""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

from rest_framework import generics, pagination, serializers
from rest_framework.test import APIRequestFactory, force_authenticate

from accounts.models import Tier
from bench.live import rig as rigs
from bench.live.report import Line, show
from bench.live.rig import Rig
from bots.api.sessions import Sessions
from bots.models import TradingSession

PAGE = 50


class _Row(serializers.ModelSerializer):
    class Meta:
        model = TradingSession
        fields = [field.name for field in TradingSession._meta.concrete_fields]


class _Pages(pagination.PageNumberPagination):
    page_size = PAGE


class Bare(generics.ListAPIView):
    """All columns, no rights, no filters, no rates."""

    queryset = TradingSession.objects.order_by("-created_at", "-id")
    serializer_class = _Row
    pagination_class = _Pages
    throttle_classes = ()


def api(rig: Rig, chosen: argparse.Namespace) -> int:
    """Both in this process, in turns, without the middleware that they would share."""
    Tier.objects.update(api_requests_per_minute=1_000_000)
    owner = rigs.user()
    rigs.sessions(owner, chosen.sessions)
    views = {"ours": (Sessions.as_view(), {"limit": PAGE}), "bare": (Bare.as_view(), {})}
    took: dict[str, list[float]] = {name: [] for name in views}
    for _ in range(chosen.repeats):
        for name, (view, query) in views.items():
            took[name].append(_once(view, query, owner))
    ours, bare = median(took["ours"]), median(took["bare"])
    lines = [
        Line(f"list of {PAGE} sessions, p50", ours, "ms"),
        Line("the plainest list of the same rows, p50", bare, "ms"),
        Line("ours over the plainest", ours / bare, "times", 1.5),
    ]
    return show("api", lines, chosen.out, database=rig.database, sessions=chosen.sessions, repeats=chosen.repeats)


def _once(view: Any, query: dict[str, Any], user: Any) -> float:
    request = APIRequestFactory().get("/", query, HTTP_HOST="127.0.0.1")
    force_authenticate(request, user)
    began = time.perf_counter()
    answer = view(request)
    answer.render()
    took = (time.perf_counter() - began) * 1e3
    if answer.status_code != 200 or not answer.data["results"]:
        raise RuntimeError(f"{answer.status_code}: {answer.content[:300]!r}")
    return took
