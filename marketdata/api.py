"""REST routes of market data. They read rows and stored files; whatever computes is a worker's."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketdata import selectors
from marketdata import serializers as shapes
from marketdata.columns import BarColumns
from marketdata.models import Coverage, DataImport, Instrument
from marketdata.services import imports
from tradingsite.lib.parsers import StrictMultiPartParser
from tradingsite.lib.schema import errors_for

_MULTIPART_ROOM = 1024 * 1024  # field names, boundaries and part headers around the file


def _query(serializer: Any, request: Request) -> dict[str, Any]:
    reader = serializer(data=request.query_params)
    reader.is_valid(raise_exception=True)
    return reader.validated_data


class MarketStatusView(APIView):
    """Whether an exchange is open."""

    @extend_schema(
        operation_id="market_status", parameters=[shapes.StatusQuerySerializer], responses=shapes.MarketStatusSerializer
    )
    def get(self, request: Request) -> Response:
        """Open or closed, the session, and how long until that changes. Holidays and half days are counted."""
        query = _query(shapes.StatusQuerySerializer, request)
        found = selectors.market_status(query["calendar"], query.get("at") or timezone.now())
        return Response(shapes.status_body(found))


class MarketDataView(APIView):
    """Stored bars of one instrument."""

    @extend_schema(operation_id="market_data", parameters=[shapes.BarsQuerySerializer], responses=shapes.BarsSerializer)
    def get(self, request: Request, symbol: str) -> Response:
        """Bars, oldest first. Prices are adjusted so that the last bar of the asked range keeps its raw price."""
        query = _query(shapes.BarsQuerySerializer, request)
        page = selectors.bars_page(
            request.user,
            symbol,
            query["timeframe"],
            source=query.get("source", ""),
            adjustment=query["adjustment"],
            start=query.get("start"),
            end=query.get("end"),
            limit=min(query["limit"], shapes.MAX_BARS),
        )
        row = page.instrument
        return Response(
            {
                "symbol": row.symbol,
                "source": row.source,
                "timeframe": page.timeframe,
                "calendar": row.calendar,
                "currency": row.currency,
                "adjustment": page.adjustment,
                "synthetic": row.synthetic,
                "count": len(page.columns),
                "next_start": page.next_start,
                "bars": _bars(page.columns),
            }
        )


def _bars(columns: BarColumns) -> list[dict[str, Any]]:
    times = np.datetime_as_string(columns.ts.astype("datetime64[ns]").astype("datetime64[s]")).tolist()
    values = (array.tolist() for array in columns.arrays())
    names = ("time", "open", "high", "low", "close", "volume")
    return [dict(zip(names, row, strict=True)) for row in zip((f"{t}Z" for t in times), *values, strict=True)]


class _List(ListAPIView):
    """Base of the lists: no rows while the schema is made."""

    query_class: Any = None

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return self.serializer_class.Meta.model.objects.none()  # type: ignore[union-attr]
        return self.rows(_query(self.query_class, self.request) if self.query_class else {})

    def rows(self, query: dict[str, Any]) -> QuerySet[Any]:
        raise NotImplementedError


class InstrumentsView(_List):
    """What can be tested: everybody's instruments and your own imports."""

    serializer_class = shapes.InstrumentSerializer
    query_class = shapes.InstrumentQuerySerializer

    def rows(self, query: dict[str, Any]) -> QuerySet[Instrument]:
        return selectors.instruments(
            self.request.user,
            query.get("search", ""),
            source=query.get("source", ""),
            timeframe=query.get("timeframe", ""),
        )

    @extend_schema(operation_id="data_instruments", parameters=[shapes.InstrumentQuerySerializer])
    def get(self, request: Request) -> Response:
        """Instruments by symbol, with the bars stored of each."""
        return super().get(request)


class InstrumentView(APIView):
    """One instrument."""

    @extend_schema(operation_id="data_instrument", responses=shapes.InstrumentSerializer)
    def get(self, request: Request, instrument_id: int) -> Response:
        """An instrument, with the bars stored of it."""
        row = selectors.instrument_by_id(request.user, instrument_id)
        return Response(shapes.InstrumentSerializer(row).data)

    @extend_schema(
        operation_id="data_instrument_delete",
        responses={204: OpenApiResponse(description="Deleted, with its bars"), **errors_for(409)},
    )
    def delete(self, request: Request, instrument_id: int) -> Response:
        """Delete an instrument that you imported, with its bars. 409 for one that is not yours alone."""
        imports.remove_instrument(request.user, instrument_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class CoverageView(_List):
    """Which bars are stored."""

    serializer_class = shapes.CoverageSerializer
    query_class = shapes.CoverageQuerySerializer

    def rows(self, query: dict[str, Any]) -> QuerySet[Coverage]:
        return selectors.coverage(self.request.user, symbol=query.get("symbol", ""), source=query.get("source", ""))

    @extend_schema(operation_id="data_coverage", parameters=[shapes.CoverageQuerySerializer])
    def get(self, request: Request) -> Response:
        """Stored series: from when to when, how complete, how often asked for."""
        return super().get(request)


class GapsView(APIView):
    """What is missing in a stored series."""

    @extend_schema(operation_id="data_gaps", parameters=[shapes.GapsQuerySerializer], responses=shapes.GapsSerializer)
    def get(self, request: Request, symbol: str) -> Response:
        """Missing bars, thin sessions and unusual moves. Nights, weekends and holidays are not gaps."""
        query = _query(shapes.GapsQuerySerializer, request)
        row = selectors.instrument(request.user, symbol, query.get("source", ""), timeframe=query["timeframe"])
        return Response(shapes.gaps_body(selectors.coverage_of(row, query["timeframe"])))


class ImportView(APIView):
    """Bring in a file."""

    parser_classes = [StrictMultiPartParser]

    @extend_schema(
        operation_id="data_import",
        request={"multipart/form-data": shapes.ImportRequestSerializer},
        responses={202: OpenApiResponse(shapes.ImportSerializer, description="Queued; Location is its address")},
    )
    def post(self, request: Request) -> Response:
        """Upload a CSV or Parquet file of bars. A worker reads it: ask for the import until it is done or refused."""
        imports.check_size(max(0, _content_length(request) - _MULTIPART_ROOM))
        reader = shapes.ImportRequestSerializer(data=request.data)
        reader.is_valid(raise_exception=True)
        sent = dict(reader.validated_data)
        row = imports.submit(request.user, sent.pop("file"), **sent)
        answer = shapes.ImportSerializer(row).data
        location = reverse("marketdata-api:import-detail", args=[row.pk])
        return Response(answer, status=status.HTTP_202_ACCEPTED, headers={"Location": location})


def _content_length(request: Request) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


class ImportsView(_List):
    """Your imports."""

    serializer_class = shapes.ImportSerializer

    def rows(self, query: dict[str, Any]) -> QuerySet[DataImport]:
        return selectors.imports(self.request.user)

    @extend_schema(operation_id="data_imports")
    def get(self, request: Request) -> Response:
        """Your imports, newest first."""
        return super().get(request)


class ImportDetailView(APIView):
    """One import."""

    @extend_schema(operation_id="data_import_detail", responses=shapes.ImportSerializer)
    def get(self, request: Request, import_id: UUID) -> Response:
        """An import: waiting, being read, done, refused (with the first ten faults) or failed."""
        return Response(shapes.ImportSerializer(selectors.data_import(request.user, import_id)).data)
