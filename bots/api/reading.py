"""What the views share: reading bodies and queries, answering in pages."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from bots import selectors
from bots.api.serializers import ledger
from bots.api.serializers.sessions import TradingSessionSerializer
from bots.models import Position, TradingSession
from tradingsite.lib.errors import NotFound
from tradingsite.lib.pagination import Pages

KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="1–200 printable ASCII characters; sent again with the same request it starts nothing twice",
)
LOCATION = OpenApiParameter(
    "Location", OpenApiTypes.STR, OpenApiParameter.HEADER, response=[200, 201], description="Address of the session"
)


class Listing(APIView):
    """Base of the lists that are made by hand: the schema sees pages."""

    pagination_class = Pages

    def paged(self, request: Request, rows: QuerySet[Any], serializer: Any) -> Response:
        """The asked page of `rows`, each through `serializer`."""
        pages = Pages()
        found = pages.paginate_queryset(rows, request, self)
        context = {"closing": selectors.closing(found)} if rows.model is Position else {}
        return pages.get_paginated_response(serializer(found, many=True, context=context).data)


def body(serializer: Any, request: Request) -> dict[str, Any]:
    """The request's body through a strict serializer."""
    reader = serializer(data=request.data)
    reader.is_valid(raise_exception=True)
    return reader.validated_data


def query(serializer: Any, request: Request) -> dict[str, Any]:
    """The request's query through its serializer."""
    reader = serializer(data=request.query_params)
    reader.is_valid(raise_exception=True)
    return reader.validated_data


def caller(request: Request, user_id: int) -> User:
    """The caller, who must be the user of the address. Raises NotFound."""
    if request.user.pk != user_id:
        raise NotFound()
    return request.user


def started(session: TradingSession, new: bool) -> Response:
    """201 for a new session, 200 for one that is there already; its address either way."""
    headers = {"Location": reverse("bots-api:session", args=[session.pk])}
    code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
    return Response(TradingSessionSerializer(session).data, status=code, headers=headers)


def positions(rows: list[Position]) -> list[dict[str, Any]]:
    """Positions as the API shows them."""
    return ledger.PositionSerializer(rows, many=True, context={"closing": selectors.closing(rows)}).data
