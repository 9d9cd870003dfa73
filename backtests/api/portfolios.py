"""REST routes of portfolio studies: ask for weights, watch, read, keep."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backtests.api import portfolio_shapes as shapes
from backtests.api import serializers as backtest_shapes
from backtests.portfolios import selectors, services
from tradingsite.lib.asking import KEY, Listing, body, location
from tradingsite.lib.schema import errors_for

_LOCATION = location("the study", 202)


class Portfolios(Listing):
    """Your portfolio studies, newest first; and a new one."""

    serializer_class = shapes.StudyListSerializer

    @extend_schema(operation_id="portfolios_list")
    def get(self, request: Request) -> Response:
        return super().get(request)

    @extend_schema(
        operation_id="portfolios_create",
        parameters=[KEY, _LOCATION],
        request=shapes.StudyRequestSerializer,
        responses={202: shapes.StudySerializer, **errors_for(404, 409, 422)},
    )
    def post(self, request: Request) -> Response:
        """Have weights computed, and what they would have done. Its Location says how far it is."""
        study = services.submit(request.user, request.data, request.headers.get("Idempotency-Key"))
        headers = {"Location": reverse("backtests-api:portfolio", args=[study.pk])}
        return Response(shapes.StudySerializer(study).data, status=status.HTTP_202_ACCEPTED, headers=headers)

    def rows(self) -> Any:
        return selectors.for_user(self.request.user)


class CheckPortfolio(APIView):
    """Check a portfolio study before it starts."""

    @extend_schema(
        operation_id="portfolios_check",
        request=shapes.StudyRequestSerializer,
        responses={200: shapes.CheckedStudySerializer, **errors_for(404, 422)},
    )
    def post(self, request: Request) -> Response:
        """The request with its defaults and the account's limits in it, and what is unusual. Writes nothing."""
        found = services.check(request.user, request.data)
        return Response(
            {
                "config": found.config.as_dict(),
                "bars": found.bars,
                "caps": [asdict(cap) for cap in found.caps],
                "cautions": [fault.as_dict() for fault in found.cautions],
            }
        )


class PortfolioDetail(APIView):
    """One portfolio study."""

    @extend_schema(operation_id="portfolios_get", responses={200: shapes.StudySerializer})
    def get(self, request: Request, study_id: UUID) -> Response:
        return Response(shapes.StudySerializer(selectors.get(request.user, study_id)).data)

    @extend_schema(operation_id="portfolios_delete", responses={204: None})
    def delete(self, request: Request, study_id: UUID) -> Response:
        """Delete it; running, it is stopped. Backtests and strategies made from it stay."""
        services.remove(request.user, study_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class CancelPortfolio(APIView):
    """Stop a portfolio study."""

    @extend_schema(operation_id="portfolios_cancel", request=None, responses={200: shapes.StudySerializer})
    def post(self, request: Request, study_id: UUID) -> Response:
        """At once while it waits, within about a second while it runs. One that is over stays as it is."""
        return Response(shapes.StudySerializer(services.cancel(request.user, study_id)).data)


class SavePortfolio(APIView):
    """Keep a portfolio as a strategy."""

    @extend_schema(
        operation_id="portfolios_save",
        request=shapes.SaveStudySerializer,
        responses={201: backtest_shapes.SavedStrategySerializer, **errors_for(409)},
    )
    def post(self, request: Request, study_id: UUID) -> Response:
        """Backtests and sessions of the strategy compute the same weights from the same bars."""
        name = body(shapes.SaveStudySerializer, request)["name"]
        saved = services.save_as_strategy(request.user, study_id, name)
        return Response(backtest_shapes.SavedStrategySerializer(saved).data, status=status.HTTP_201_CREATED)


class OpenPortfolio(APIView):
    """Run the backtest of a portfolio study as one of its own."""

    @extend_schema(
        operation_id="portfolios_open",
        request=shapes.OpenStudySerializer,
        responses={
            202: OpenApiResponse(backtest_shapes.BacktestSerializer, description="It waits, runs or is done"),
            **errors_for(409),
        },
    )
    def post(self, request: Request, study_id: UUID) -> Response:
        which = body(shapes.OpenStudySerializer, request)["which"]
        backtest = services.open_backtest(request.user, study_id, which)
        headers = {"Location": reverse("backtests-api:detail", args=[backtest.pk])}
        shown = backtest_shapes.BacktestSerializer(backtest).data
        return Response(shown, status=status.HTTP_202_ACCEPTED, headers=headers)
