"""REST routes of saved strategies."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from strategies import selectors, services
from strategies.api.public import WithGallery
from strategies.models import UserStrategy
from strategies.serializers import (
    TYPES,
    CopyRequestSerializer,
    PublicStrategySerializer,
    StrategyQuerySerializer,
    StrategyRequestSerializer,
    StrategySerializer,
)
from tradingsite.lib.errors import NotFound
from tradingsite.lib.schema import errors_for

_CREATED = OpenApiResponse(StrategySerializer, description="Saved; Location is its address")

_TYPE = OpenApiParameter("strategy_type", OpenApiTypes.STR, OpenApiParameter.PATH, enum=TYPES)


def _answer(request: Request, row: UserStrategy, code: int = status.HTTP_200_OK) -> Response:
    headers = {}
    if code == status.HTTP_201_CREATED:
        headers["Location"] = reverse("strategies-api:detail", args=[row.pk])
    return Response(StrategySerializer(row, context={"request": request}).data, status=code, headers=headers)


def _body(serializer: Any, request: Request, *, partial: bool = False) -> dict[str, Any]:
    reader = serializer(data=request.data, partial=partial)
    reader.is_valid(raise_exception=True)
    return reader.validated_data


class _StrategyList(ListAPIView):
    """Base of the lists: pages, filters, and no rows while the schema is made."""

    serializer_class = StrategySerializer

    def rows(self) -> QuerySet[UserStrategy]:
        raise NotImplementedError

    def get_queryset(self) -> QuerySet[UserStrategy]:
        if getattr(self, "swagger_fake_view", False):
            return UserStrategy.objects.none()
        query = StrategyQuerySerializer(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        columns = {"type": "strategy_type", "strategy": "strategy"}
        return self.rows().select_related("owner").filter(**{columns[k]: v for k, v in query.validated_data.items()})


class Strategies(_StrategyList):
    """Your saved strategies."""

    def rows(self) -> QuerySet[UserStrategy]:
        return selectors.for_user(self.request.user)

    @extend_schema(operation_id="strategies_list", parameters=[StrategyQuerySerializer])
    def get(self, request: Request) -> Response:
        """Your saved strategies, the last changed first."""
        return super().get(request)

    @extend_schema(
        operation_id="strategies_create",
        request=StrategyRequestSerializer,
        responses={201: _CREATED, **errors_for(409)},
    )
    def post(self, request: Request) -> Response:
        """Save a strategy. 409 when you have one of that name already, 403 at your tier's limit."""
        row = services.create(request.user, **_body(StrategyRequestSerializer, request))
        return _answer(request, row, status.HTTP_201_CREATED)


class StrategiesOfUser(_StrategyList):
    """The same list under the id of its owner."""

    def rows(self) -> QuerySet[UserStrategy]:
        if self.kwargs["user_id"] != self.request.user.pk:
            raise NotFound()
        return selectors.for_user(self.request.user)

    @extend_schema(operation_id="strategies_of_user", parameters=[StrategyQuerySerializer])
    def get(self, request: Request, user_id: int) -> Response:
        """Your saved strategies; any other user's id answers 404."""
        return super().get(request, user_id=user_id)


class PublicStrategies(WithGallery, _StrategyList):
    """Strategies that their owners made public."""

    serializer_class = PublicStrategySerializer

    def rows(self) -> QuerySet[UserStrategy]:
        return selectors.public()

    @extend_schema(operation_id="strategies_public", parameters=[StrategyQuerySerializer])
    def get(self, request: Request) -> Response:
        """Everybody's public strategies, the last changed first."""
        return super().get(request)


class PublicStrategiesOfType(WithGallery, _StrategyList):
    """Public strategies of one kind."""

    serializer_class = PublicStrategySerializer

    def rows(self) -> QuerySet[UserStrategy]:
        if self.kwargs["strategy_type"] not in TYPES:
            raise NotFound(f"There is no such type. Types: {', '.join(TYPES)}.")
        return selectors.public(self.kwargs["strategy_type"])

    @extend_schema(operation_id="strategies_public_of_type", parameters=[StrategyQuerySerializer, _TYPE])
    def get(self, request: Request, strategy_type: str) -> Response:
        """Public strategies of one kind; the kinds are those of the path's parameter."""
        return super().get(request, strategy_type=strategy_type)


class StrategyDetail(APIView):
    """One saved strategy."""

    @extend_schema(operation_id="strategies_get", responses={200: StrategySerializer})
    def get(self, request: Request, strategy_id: int) -> Response:
        """One of yours, or a public one."""
        return _answer(request, selectors.readable(request.user, strategy_id))

    @extend_schema(
        operation_id="strategies_replace",
        request=StrategyRequestSerializer,
        responses={200: StrategySerializer, **errors_for(409)},
    )
    def put(self, request: Request, strategy_id: int) -> Response:
        """Replace one of yours; what is left out gets its default."""
        selectors.get(request.user, strategy_id)
        return _answer(request, services.update(request.user, strategy_id, _body(StrategyRequestSerializer, request)))

    @extend_schema(
        operation_id="strategies_update",
        request=StrategyRequestSerializer(partial=True),
        responses={200: StrategySerializer, **errors_for(409)},
    )
    def patch(self, request: Request, strategy_id: int) -> Response:
        """Change some fields of one of yours. Parameters are replaced as a whole."""
        selectors.get(request.user, strategy_id)
        changes = _body(StrategyRequestSerializer, request, partial=True)
        return _answer(request, services.update(request.user, strategy_id, changes))

    @extend_schema(operation_id="strategies_delete", responses={204: None})
    def delete(self, request: Request, strategy_id: int) -> Response:
        """Delete one of yours. Backtests that used it stay, and so do copies that others made."""
        services.remove(request.user, strategy_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class CopyStrategy(APIView):
    """Copy a saved strategy."""

    @extend_schema(
        operation_id="strategies_copy",
        request=CopyRequestSerializer,
        responses={201: _CREATED, **errors_for(409)},
    )
    def post(self, request: Request, strategy_id: int) -> Response:
        """A private copy of one of yours or of a public one."""
        name = _body(CopyRequestSerializer, request).get("name")
        row = services.copy(request.user, strategy_id, name)
        return _answer(request, row, status.HTTP_201_CREATED)
