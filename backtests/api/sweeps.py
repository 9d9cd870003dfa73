"""REST routes of sweeps: start, watch, stop, go on, and take what was found."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backtests.api import serializers as backtest_shapes
from backtests.api import sweep_shapes as shapes
from backtests.sweeps import selectors, services
from strategies.conditions.shapes import MAX_JSON_DEPTH
from tradingsite.lib.asking import KEY, Listing, body, query
from tradingsite.lib.schema import errors_for


class Sweeps(Listing):
    """Your sweeps, newest first; and a new one."""

    serializer_class = shapes.SweepListSerializer
    max_json_depth = MAX_JSON_DEPTH  # trees of conditions

    @extend_schema(operation_id="sweeps_list")
    def get(self, request: Request) -> Response:
        return super().get(request)

    @extend_schema(
        operation_id="sweeps_create",
        parameters=[KEY],
        request=shapes.SweepRequestSerializer,
        responses={201: shapes.SweepSerializer, **errors_for(404, 409, 422)},
    )
    def post(self, request: Request) -> Response:
        """Start a sweep. Its Location says how far it is; `cells` gives what came in while it runs."""
        sweep = services.submit(request.user, request.data, request.headers.get("Idempotency-Key"))
        headers = {"Location": reverse("backtests-api:sweep", args=[sweep.pk])}
        return Response(shapes.SweepSerializer(sweep).data, status=status.HTTP_201_CREATED, headers=headers)

    def rows(self) -> Any:
        return selectors.for_user(self.request.user)


class CheckSweep(APIView):
    """Count the combinations of a sweep before it starts."""

    max_json_depth = MAX_JSON_DEPTH

    @extend_schema(
        operation_id="sweeps_check",
        request=shapes.SweepRequestSerializer,
        responses={200: shapes.CheckedSweepSerializer, **errors_for(404, 422)},
    )
    def post(self, request: Request) -> Response:
        """How many there are, what they will take, and what is unusual. Writes nothing."""
        found = services.check(request.user, request.data)
        return Response(
            {
                "combinations": found.config.cells,
                "of_all": len(found.config.space),
                "bars": found.bars,
                "estimate_s": round(found.seconds, 2),
                "refused_pct": round(found.refused_pct, 1),
                "cautions": [fault.as_dict() for fault in found.cautions],
            }
        )


class SweepDetail(APIView):
    """One sweep."""

    @extend_schema(operation_id="sweeps_get", responses={200: shapes.SweepSerializer})
    def get(self, request: Request, sweep_id: UUID) -> Response:
        return Response(shapes.SweepSerializer(selectors.get(request.user, sweep_id)).data)

    @extend_schema(operation_id="sweeps_delete", responses={204: None})
    def delete(self, request: Request, sweep_id: UUID) -> Response:
        """Delete it with everything it found; running, it is stopped. Backtests and strategies made from it stay."""
        services.remove(request.user, sweep_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class CancelSweep(APIView):
    """Stop a sweep."""

    @extend_schema(operation_id="sweeps_cancel", request=None, responses={200: shapes.SweepSerializer})
    def post(self, request: Request, sweep_id: UUID) -> Response:
        """Workers stop within about a second. What is done stays; one that is over stays as it is."""
        return Response(shapes.SweepSerializer(services.cancel(request.user, sweep_id)).data)


class ResumeSweep(APIView):
    """Go on with a sweep."""

    @extend_schema(
        operation_id="sweeps_resume", request=None, responses={200: shapes.SweepSerializer, **errors_for(409)}
    )
    def post(self, request: Request, sweep_id: UUID) -> Response:
        """Runs what is missing of one that was canceled or that failed."""
        return Response(shapes.SweepSerializer(services.resume(request.user, sweep_id)).data)


class SweepCells(APIView):
    """What the combinations gave, as columns, as they come in."""

    @extend_schema(
        operation_id="sweeps_cells", parameters=[shapes.CellsQuerySerializer], responses={200: shapes.CellsSerializer}
    )
    def get(self, request: Request, sweep_id: UUID) -> Response:
        sent = query(shapes.CellsQuerySerializer, request)
        return Response(selectors.cells(selectors.get(request.user, sweep_id), sent["after"]))


class SweepBest(APIView):
    """The best combinations so far, best first; those that keep no constraint come last."""

    @extend_schema(
        operation_id="sweeps_best",
        parameters=[shapes.BestQuerySerializer],
        responses={200: shapes.BestCellSerializer(many=True)},
    )
    def get(self, request: Request, sweep_id: UUID) -> Response:
        sent = query(shapes.BestQuerySerializer, request)
        return Response(selectors.best(selectors.get(request.user, sweep_id), sent["count"]))


class OpenCell(APIView):
    """Run one combination as a backtest of its own."""

    @extend_schema(
        operation_id="sweeps_open_cell",
        request=shapes.CellSerializer,
        responses={
            202: OpenApiResponse(backtest_shapes.BacktestSerializer, description="It waits, runs or is done"),
            **errors_for(409),
        },
    )
    def post(self, request: Request, sweep_id: UUID) -> Response:
        cell = body(shapes.CellSerializer, request)["cell"]
        backtest = services.open_cell(request.user, sweep_id, cell)
        headers = {"Location": reverse("backtests-api:detail", args=[backtest.pk])}
        shown = backtest_shapes.BacktestSerializer(backtest).data
        return Response(shown, status=status.HTTP_202_ACCEPTED, headers=headers)


class SaveCell(APIView):
    """Keep one combination as a strategy."""

    @extend_schema(
        operation_id="sweeps_save_cell",
        request=shapes.SaveCellSerializer,
        responses={201: backtest_shapes.SavedStrategySerializer, **errors_for(409)},
    )
    def post(self, request: Request, sweep_id: UUID) -> Response:
        sent = body(shapes.SaveCellSerializer, request)
        saved = services.save_cell(request.user, sweep_id, sent["cell"], sent["name"])
        return Response(backtest_shapes.SavedStrategySerializer(saved).data, status=status.HTTP_201_CREATED)
