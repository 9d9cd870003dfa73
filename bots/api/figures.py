"""REST routes of figures over all of a user's sessions, and of what they risk."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import selectors as account_selectors
from bots import selectors
from bots.api.reading import query
from bots.api.serializers import ledger as shapes


class Summary(APIView):
    """What stands at the top of a dashboard."""

    @extend_schema(operation_id="summary", responses={200: shapes.SummarySerializer})
    def get(self, request: Request) -> Response:
        """Equity, P&L, sessions, positions and today's trades in one look."""
        return Response(shapes.SummarySerializer(selectors.summary(request.user)).data)


class Stats(APIView):
    """All your sessions in figures."""

    @extend_schema(operation_id="stats", responses={200: shapes.TotalsSerializer})
    def get(self, request: Request) -> Response:
        """Counts, P&L and fees over all your sessions."""
        return Response(shapes.TotalsSerializer(selectors.totals(request.user)).data)


class Pnl(APIView):
    """P&L day by day."""

    @extend_schema(
        operation_id="stats_pnl",
        parameters=[shapes.PerformanceQuerySerializer],
        responses={200: shapes.PnlSerializer},
    )
    def get(self, request: Request) -> Response:
        """Each trading day of the period, and the curve of P&L over all sessions."""
        sent = query(shapes.PerformanceQuerySerializer, request)
        since = selectors.since_of(sent.pop("period"))
        days = selectors.days(request.user, since=since.date() if since else None, **sent)
        curve = selectors.user_pnl(request.user, since=since, **sent)
        return Response(shapes.PnlSerializer({"days": days, **curve}).data)


class StatsPerformance(APIView):
    """How your trading went over a period."""

    @extend_schema(
        operation_id="stats_performance",
        parameters=[shapes.PerformanceQuerySerializer],
        responses={200: shapes.TradingPerformanceSerializer},
    )
    def get(self, request: Request) -> Response:
        """Sharpe, profit factor, drawdown and more; 1W 1M 3M 6M 1Y ALL."""
        sent = query(shapes.PerformanceQuerySerializer, request)
        return Response(shapes.TradingPerformanceSerializer(selectors.performance(request.user, **sent)).data)


class TradingPerformance(APIView):
    """The same as GET /api/stats/performance."""

    @extend_schema(
        operation_id="trading_performance",
        parameters=[shapes.PerformanceQuerySerializer],
        responses={200: shapes.TradingPerformanceSerializer},
    )
    def get(self, request: Request) -> Response:
        """Sharpe, profit factor, drawdown and more; 1W 1M 3M 6M 1Y ALL."""
        sent = query(shapes.PerformanceQuerySerializer, request)
        return Response(shapes.TradingPerformanceSerializer(selectors.performance(request.user, **sent)).data)


class StatsByBot(APIView):
    """Your bots compared."""

    @extend_schema(
        operation_id="stats_bots",
        parameters=[shapes.PeriodSerializer],
        responses={200: shapes.BotFiguresSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        """Closed positions of the period for each bot, the best first."""
        found = selectors.by_bot(request.user, **query(shapes.PeriodSerializer, request))
        return Response(shapes.BotFiguresSerializer(found, many=True).data)


class StatsBySymbol(APIView):
    """Your symbols compared."""

    @extend_schema(
        operation_id="stats_symbols",
        parameters=[shapes.PeriodSerializer],
        responses={200: shapes.SymbolFiguresSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        """Closed positions of the period for each symbol, the best first."""
        found = selectors.by_symbol(request.user, **query(shapes.PeriodSerializer, request))
        return Response(shapes.SymbolFiguresSerializer(found, many=True).data)


class Exposure(APIView):
    """What your sessions hold."""

    @extend_schema(operation_id="risk_exposure", responses={200: shapes.ExposureSerializer})
    def get(self, request: Request) -> Response:
        """Gross and net, by symbol, and by the groups of your risk envelope."""
        envelope = account_selectors.risk_envelope(request.user)
        groups = {name: group["symbols"] for name, group in envelope.named_groups}
        return Response(shapes.ExposureSerializer(selectors.exposure(request.user, groups)).data)


class Limits(APIView):
    """How near your sessions are to their limits."""

    @extend_schema(operation_id="risk_limits", responses={200: shapes.LimitSerializer(many=True)})
    def get(self, request: Request) -> Response:
        """Each limit of each active session with its value, the nearest first."""
        return Response(shapes.LimitSerializer(selectors.limits(request.user), many=True).data)


class Correlation(APIView):
    """Which held symbols move together."""

    @extend_schema(operation_id="risk_correlation", responses={200: shapes.CorrelationSerializer})
    def get(self, request: Request) -> Response:
        """Correlation of the returns of what you hold, over the last 200 bars."""
        return Response(shapes.CorrelationSerializer(selectors.correlation(request.user)).data)
