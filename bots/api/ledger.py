"""REST routes of orders, trades and positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bots import selectors, services
from bots.api.reading import Listing, positions, query
from bots.api.serializers import ledger as shapes
from bots.api.serializers.sessions import CommandSerializer
from bots.models import Trade
from tradingsite.lib.downloads import CSV, Download, csv_response
from tradingsite.lib.schema import errors_for

_COLUMNS = (
    "executed_at", "session", "bot", "symbol", "side", "qty", "px", "is_entry", "reason", "commission", "slippage",
    "realised_pnl", "execution_id", "client_order_id",
)  # fmt: skip


class Orders(Listing):
    """Your orders."""

    @extend_schema(
        operation_id="orders_list",
        parameters=[shapes.OrderFilterSerializer],
        responses={200: shapes.OrderSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        """Orders of all your sessions, the last decided first; `group` is pending, active or closed."""
        rows = selectors.orders(request.user, **query(shapes.OrderFilterSerializer, request))
        return self.paged(request, rows, shapes.OrderSerializer)


class OrderDetail(APIView):
    """One order."""

    @extend_schema(operation_id="orders_get", responses={200: shapes.OrderSerializer})
    def get(self, request: Request, order_id: int) -> Response:
        """An order of yours."""
        return Response(shapes.OrderSerializer(selectors.order(request.user, order_id)).data)


class Trades(Listing):
    """Your trades."""

    @extend_schema(
        operation_id="trades_list",
        parameters=[shapes.TradeFilterSerializer],
        responses={200: shapes.TradeSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        """Fills of all your sessions, filtered and sorted."""
        rows = selectors.trades(request.user, **query(shapes.TradeFilterSerializer, request))
        return self.paged(request, rows, shapes.TradeSerializer)


class TradesOfSession(Listing):
    """Trades of one session."""

    @extend_schema(
        operation_id="session_trades",
        parameters=[shapes.TradeFilterSerializer],
        responses={200: shapes.TradeSerializer(many=True)},
    )
    def get(self, request: Request, session_id: int) -> Response:
        """Fills of one session of yours, filtered and sorted."""
        session = selectors.session(request.user, session_id)
        sent = query(shapes.TradeFilterSerializer, request) | {"session_id": session.pk}
        return self.paged(request, selectors.trades(request.user, **sent), shapes.TradeSerializer)


class TradeStatistics(APIView):
    """Figures over your trades."""

    @extend_schema(
        operation_id="trades_stats",
        parameters=[shapes.TradeFilterSerializer],
        responses={200: shapes.TradeStatisticsSerializer},
    )
    def get(self, request: Request) -> Response:
        """Counts, win rate, P&L, profit factor and fees of the trades that pass the filters."""
        rows = selectors.trades(request.user, **query(shapes.TradeFilterSerializer, request))
        return Response(shapes.TradeStatisticsSerializer(selectors.trade_statistics(rows)).data)


class TradesCsv(Download):
    """Your trades as a CSV file that no spreadsheet takes for formulas."""

    @extend_schema(
        operation_id="trades_csv",
        parameters=[shapes.TradeFilterSerializer],
        responses={(200, CSV): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        rows = selectors.trades(request.user, **query(shapes.TradeFilterSerializer, request))
        return csv_response("trades.csv", _COLUMNS, _lines(rows))


class TradeDetail(APIView):
    """One trade."""

    @extend_schema(operation_id="trades_get", responses={200: shapes.TradeSerializer})
    def get(self, request: Request, trade_id: int) -> Response:
        """A trade of yours, with what its decision was read from."""
        return Response(shapes.TradeSerializer(selectors.trade(request.user, trade_id)).data)


class Positions(Listing):
    """Your positions."""

    @extend_schema(
        operation_id="positions_list",
        parameters=[shapes.PositionFilterSerializer],
        responses={200: shapes.PositionSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        """Positions of all your sessions, open and closed, filtered and sorted."""
        rows = selectors.positions(request.user, **query(shapes.PositionFilterSerializer, request))
        return self.paged(request, rows, shapes.PositionSerializer)


class OpenPositions(Listing):
    """Your open positions."""

    @extend_schema(
        operation_id="trading_positions",
        parameters=[shapes.PositionFilterSerializer],
        responses={200: shapes.PositionSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        """What your sessions hold now; `is_open=false` gives the closed ones."""
        sent = query(shapes.PositionFilterSerializer, request)
        sent["is_open"] = True if sent["is_open"] is None else sent["is_open"]
        return self.paged(request, selectors.positions(request.user, **sent), shapes.PositionSerializer)


class PositionSummary(APIView):
    """Figures over your positions."""

    @extend_schema(
        operation_id="positions_summary",
        parameters=[shapes.PositionFilterSerializer],
        responses={200: shapes.PositionSummarySerializer},
    )
    def get(self, request: Request) -> Response:
        """Counts, market value and P&L of the positions that pass the filters."""
        rows = selectors.positions(request.user, **query(shapes.PositionFilterSerializer, request))
        return Response(shapes.PositionSummarySerializer(selectors.position_summary(rows)).data)


class PositionDetail(APIView):
    """One position."""

    @extend_schema(operation_id="positions_get", responses={200: shapes.PositionSerializer})
    def get(self, request: Request, position_id: int) -> Response:
        """A position of yours."""
        return Response(positions([selectors.position(request.user, position_id)])[0])


class ClosePosition(APIView):
    """Close a position."""

    @extend_schema(
        operation_id="positions_close",
        request=None,
        responses={
            202: OpenApiResponse(CommandSerializer, description="Asked for, perhaps before: the one that waits"),
            **errors_for(409),
        },
    )
    def post(self, request: Request, position_id: int) -> Response:
        """The host closes it after the next closed bar; on paper it fills at the next bar's open. Twice is fine."""
        command = services.sessions.close_position(request.user, position_id)
        return Response(CommandSerializer(command).data, status=status.HTTP_202_ACCEPTED)


def _lines(rows: QuerySet[Trade]) -> Iterator[list[Any]]:
    for row in rows.iterator(chunk_size=1_000):
        bot = row.session.bot
        yield [
            row.executed_at.isoformat(), str(row.session), bot.name if bot else "", row.symbol, row.side, row.qty,
            row.px, row.is_entry, row.reason, row.commission, row.slippage, row.realised_pnl, row.execution_id,
            row.client_order_id,
        ]  # fmt: skip
