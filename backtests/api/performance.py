"""REST routes of performance records: any signed-in user, own records only."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backtests import selectors, services
from backtests.api import serializers as shapes
from strategies import selectors as saved_strategies
from tradingsite.lib.asking import Listing, query


def _filters(request: Request) -> dict[str, Any]:
    return query(shapes.PerformanceFilterSerializer, request)


class Overview(APIView):
    """All your records in one look: how many, averages, best, worst, newest."""

    @extend_schema(
        operation_id="performance_overview",
        parameters=[shapes.PerformanceFilterSerializer],
        responses={200: shapes.OverviewSerializer},
    )
    def get(self, request: Request) -> Response:
        found = selectors.performance_overview(request.user, **_filters(request))
        return Response(shapes.OverviewSerializer(found).data)


class Analytics(APIView):
    """Your records compared by strategy and by where they ran (backtest, paper, live)."""

    @extend_schema(
        operation_id="performance_analytics",
        parameters=[shapes.PerformanceFilterSerializer],
        responses={200: shapes.AnalyticsSerializer},
    )
    def get(self, request: Request) -> Response:
        found = selectors.performance_analytics(request.user, **_filters(request))
        return Response(shapes.AnalyticsSerializer({"strategies": found}).data)


class _Records(Listing):
    serializer_class = shapes.PerformanceSerializer

    def records(self) -> Any:
        """The user's records that pass the query's filters."""
        return selectors.performance_for_user(self.request.user, **_filters(self.request))


class ByStrategyName(_Records):
    """Records of a strategy, by its slug or by the name you saved it under."""

    @extend_schema(operation_id="performance_by_strategy", parameters=[shapes.PerformanceFilterSerializer])
    def get(self, request: Request, name: str) -> Response:
        return super().get(request)

    def rows(self) -> Any:
        return selectors.of_strategy(self.records(), self.kwargs.get("name", ""))


class BySavedStrategy(_Records):
    """Records of one of your saved strategies."""

    @extend_schema(operation_id="performance_by_strategy_id", parameters=[shapes.PerformanceFilterSerializer])
    def get(self, request: Request, strategy_id: int) -> Response:
        """Its records, newest first. A strategy of yours that was deleted keeps them; a stranger's is not found."""
        if not self.records().filter(saved_strategy_id=strategy_id).exists():
            saved_strategies.readable(request.user, strategy_id)
        return super().get(request)

    def rows(self) -> Any:
        return self.records().filter(saved_strategy_id=self.kwargs.get("strategy_id"))


class Record(APIView):
    """One performance record."""

    @extend_schema(operation_id="performance_get", responses={200: shapes.PerformanceDetailSerializer})
    def get(self, request: Request, record_id: int) -> Response:
        record = selectors.performance_record(request.user, record_id)
        return Response(shapes.PerformanceDetailSerializer(record).data)

    @extend_schema(operation_id="performance_delete", responses={204: None})
    def delete(self, request: Request, record_id: int) -> Response:
        """Delete the record; the backtest it came from stays."""
        services.remove_performance(request.user, record_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
