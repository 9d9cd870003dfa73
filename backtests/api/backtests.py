"""REST routes of backtests: run, watch, read, compare, delete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backtests import health, selectors, services
from backtests.api import serializers as shapes
from backtests.api.waiting import wait_for_end
from backtests.models import Backtest
from backtests.runner import report
from strategies.conditions.shapes import MAX_JSON_DEPTH
from tradingsite.lib.asking import KEY, Listing, body, location, query
from tradingsite.lib.downloads import CSV, Download, csv_response
from tradingsite.lib.pagination import Pages
from tradingsite.lib.schema import errors_for

_LOCATION = location("the backtest", 200, 202)


def _answer(backtest: Backtest) -> Response:
    """200 with the whole backtest when it is over, 202 while it is not; its address either way."""
    code = status.HTTP_202_ACCEPTED if backtest.is_active else status.HTTP_200_OK
    location = reverse("backtests-api:detail", args=[backtest.pk])
    return Response(shapes.BacktestSerializer(backtest).data, status=code, headers={"Location": location})


class RunBacktest(APIView):
    """Start a backtest."""

    max_json_depth = MAX_JSON_DEPTH  # trees of conditions

    @extend_schema(
        operation_id="backtest_run",
        parameters=[shapes.RunQuerySerializer, KEY, _LOCATION],
        request=shapes.RunRequestSerializer,
        responses={
            200: OpenApiResponse(shapes.BacktestSerializer, description="It is over: state says how it ended"),
            202: OpenApiResponse(shapes.BacktestSerializer, description="It waits or runs; ask Location again"),
            **errors_for(404, 409, 422),
        },
    )
    def post(self, request: Request) -> Response:
        sent = query(shapes.RunQuerySerializer, request)
        backtest = services.submit(request.user, request.data, request.headers.get("Idempotency-Key"))
        if sent["wait"]:
            backtest = wait_for_end(backtest)
        return _answer(backtest)


class BacktestHealth(APIView):
    """Whether backtests are being run: queue lengths, and when a worker last spoke."""

    @extend_schema(operation_id="backtest_health", responses={200: shapes.HealthSerializer})
    def get(self, request: Request) -> Response:
        return Response(health.report())


class StrategyCatalogue(APIView):
    """Strategies, session settings, presets and metrics with their declarations."""

    @extend_schema(operation_id="backtest_strategies", responses={200: shapes.StrategiesSerializer})
    def get(self, request: Request) -> Response:
        return Response(selectors.catalogue_declarations())


class BacktestList(Listing):
    """Your backtests, newest first."""

    serializer_class = shapes.BacktestListSerializer

    @extend_schema(operation_id="backtests_list", parameters=[shapes.BacktestFilterSerializer])
    def get(self, request: Request) -> Response:
        return super().get(request)

    def rows(self) -> Any:
        return selectors.filtered(self.request.user, **query(shapes.BacktestFilterSerializer, self.request))


class BacktestDetail(APIView):
    """One backtest."""

    @extend_schema(operation_id="backtests_get", responses={200: shapes.BacktestSerializer})
    def get(self, request: Request, backtest_id: UUID) -> Response:
        return Response(shapes.BacktestSerializer(selectors.get(request.user, backtest_id)).data)

    @extend_schema(operation_id="backtests_delete", responses={204: None})
    def delete(self, request: Request, backtest_id: UUID) -> Response:
        """Delete it with its result and performance record; running, it is stopped."""
        services.remove(request.user, backtest_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class CancelBacktest(APIView):
    """Stop a backtest."""

    @extend_schema(operation_id="backtests_cancel", request=None, responses={200: shapes.BacktestSerializer})
    def post(self, request: Request, backtest_id: UUID) -> Response:
        """At once while it waits, within about a second while it runs. One that is over stays as it is."""
        backtest = services.cancel(request.user, backtest_id)
        return Response(shapes.BacktestSerializer(backtest).data)


class RerunBacktest(APIView):
    """Run the same request again."""

    @extend_schema(
        operation_id="backtests_rerun",
        parameters=[shapes.RunQuerySerializer, KEY, _LOCATION],
        request=None,
        responses={200: shapes.BacktestSerializer, 202: shapes.BacktestSerializer, **errors_for(409)},
    )
    def post(self, request: Request, backtest_id: UUID) -> Response:
        """The new backtest's rerun_report says whether the result is identical, or what has changed since."""
        sent = query(shapes.RunQuerySerializer, request)
        backtest = services.rerun(request.user, backtest_id, request.headers.get("Idempotency-Key"))
        if sent["wait"]:
            backtest = wait_for_end(backtest)
        return _answer(backtest)


class SaveAsStrategy(APIView):
    """Keep a finished backtest's strategy and parameters under a name."""

    @extend_schema(
        operation_id="backtests_save_as_strategy",
        request=shapes.SaveAsStrategySerializer,
        responses={201: shapes.SavedStrategySerializer, **errors_for(409)},
    )
    def post(self, request: Request, backtest_id: UUID) -> Response:
        name = body(shapes.SaveAsStrategySerializer, request)["name"]
        saved = services.save_as_strategy(request.user, backtest_id, name)
        return Response(shapes.SavedStrategySerializer(saved).data, status=status.HTTP_201_CREATED)


class BacktestTrades(APIView):
    """Round trips of a backtest, sorted, filtered, in pages. None while it is not done."""

    pagination_class = Pages

    @extend_schema(
        operation_id="backtests_trades",
        parameters=[shapes.TradeFilterSerializer],
        responses={200: shapes.RoundTripSerializer(many=True)},
    )
    def get(self, request: Request, backtest_id: UUID) -> Response:
        sent = query(shapes.TradeFilterSerializer, request)
        backtest = selectors.get(request.user, backtest_id)
        rows = selectors.select_round_trips(backtest, sent.pop("sort"), sent)
        pages = Pages()
        # Only the rows of the page are turned into objects, of perhaps a hundred thousand.
        chosen = pages.paginate_queryset(list(range(len(rows))), request, self)
        return pages.get_paginated_response(report.round_trip_rows(rows[chosen], sorted(backtest.symbols)))


class Explanations(APIView):
    """Why the positions of a backtest were opened."""

    pagination_class = Pages

    @extend_schema(operation_id="backtests_explanations", responses={200: shapes.ExplanationSerializer(many=True)})
    def get(self, request: Request, backtest_id: UUID) -> Response:
        """The newest 500 entries of a run of conditions, each with the conditions and their values on the signal's bar.

        Empty for strategies of the catalogue, whose reasoning is told by their parameters, and while it is not done.
        """
        rows = selectors.explanations(selectors.get(request.user, backtest_id))
        pages = Pages()
        return pages.get_paginated_response(pages.paginate_queryset(rows, request, self))


class BacktestTradesCsv(Download):
    """Round trips as a CSV file that no spreadsheet takes for formulas."""

    @extend_schema(
        operation_id="backtests_trades_csv",
        parameters=[shapes.TradeFilterSerializer],
        responses={(200, CSV): OpenApiTypes.STR},
    )
    def get(self, request: Request, backtest_id: UUID) -> HttpResponse:
        sent = query(shapes.TradeFilterSerializer, request)
        backtest = selectors.get(request.user, backtest_id)
        rows = selectors.select_round_trips(backtest, sent.pop("sort"), sent)
        return csv_response(f"trades-{backtest.pk}.csv", list(report.TRADE_COLUMNS), _rows(rows, backtest))


class BacktestEquity(APIView):
    """The equity curve with drawdown and benchmark, thinned for drawing. 409 while the backtest is not done."""

    @extend_schema(operation_id="backtests_equity", responses={200: shapes.EquitySerializer, **errors_for(409)})
    def get(self, request: Request, backtest_id: UUID) -> Response:
        return Response(selectors.done_chart(selectors.get(request.user, backtest_id)))


class BacktestResult(Download):
    """The whole result as the command line writes it: trades, orders, every equity point, metrics."""

    @extend_schema(operation_id="backtests_result", responses={200: OpenApiTypes.OBJECT, **errors_for(409)})
    def get(self, request: Request, backtest_id: UUID) -> StreamingHttpResponse:
        pieces = selectors.export(selectors.get(request.user, backtest_id))
        return StreamingHttpResponse(pieces, content_type="application/json")


class CompareBacktests(APIView):
    """Up to six of your backtests side by side."""

    @extend_schema(
        operation_id="backtests_compare",
        parameters=[shapes.CompareQuerySerializer],
        responses={200: shapes.ComparedSerializer(many=True), **errors_for(404)},
    )
    def get(self, request: Request) -> Response:
        ids = [part.strip() for part in query(shapes.CompareQuerySerializer, request)["ids"].split(",")]
        rows = selectors.compare(request.user, [part for part in ids if part])
        return Response(
            [
                {
                    "backtest": shapes.BacktestListSerializer(row["backtest"]).data,
                    "metrics": row["summary"]["metrics"] if row["summary"] else None,
                    "equity": row["equity"],
                }
                for row in rows
            ]
        )


def _rows(rows: Any, backtest: Backtest, batch: int = 1_000) -> Iterator[list[Any]]:
    symbols = sorted(backtest.symbols)
    for start in range(0, len(rows), batch):
        for row in report.round_trip_rows(rows[start : start + batch], symbols):
            yield [row[column] for column in report.TRADE_COLUMNS]
