"""REST routes of custom strategies: their rows, the validator, and a look at trees over bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from engine.errors import Fault, InputError
from strategies import selectors
from strategies.api import custom_shapes as shapes
from strategies.api.public import WithGallery
from strategies.conditions.shapes import MAX_BYTES, MAX_JSON_DEPTH
from strategies.models import ConditionTest, CustomStrategy
from strategies.serializers import CopyRequestSerializer
from strategies.services import custom, trials
from tradingsite.lib.errors import TooLarge
from tradingsite.lib.parsers import StrictJSONParser
from tradingsite.lib.schema import errors_for
from tradingsite.lib.waiting import wait_until

WAIT_S = 3.0
_CREATED = OpenApiResponse(shapes.CustomStrategySerializer, description="Saved; Location is its address")
_LOCATION = OpenApiParameter(
    "Location", OpenApiTypes.STR, OpenApiParameter.HEADER, response=[200, 202], description="Address of the test"
)


class TreeParser(StrictJSONParser):
    """JSON in which trees may be as deep as trees may be. Bytes are counted before anything is parsed."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except TooLarge:
            message = f"The body has more than {MAX_BYTES:,} bytes"
            raise InputError(Fault("", "tree_too_large", message, "Make the conditions smaller.")) from None


class _Trees(APIView):
    """Base of the routes that read trees."""

    parser_classes = (TreeParser,)
    max_body_bytes = MAX_BYTES
    max_json_depth = MAX_JSON_DEPTH


def _answer(request: Request, row: CustomStrategy, code: int = status.HTTP_200_OK) -> Response:
    headers = {}
    if code == status.HTTP_201_CREATED:
        headers["Location"] = reverse("strategies-api:custom-detail", args=[row.pk])
    data = shapes.CustomStrategySerializer(row, context={"request": request}).data
    return Response(data, status=code, headers=headers)


class _CustomList(ListAPIView):
    """Base of the lists: pages, and no rows while the schema is made."""

    serializer_class = shapes.CustomStrategySerializer

    def rows(self) -> QuerySet[CustomStrategy]:
        raise NotImplementedError

    def get_queryset(self) -> QuerySet[CustomStrategy]:
        if getattr(self, "swagger_fake_view", False):
            return CustomStrategy.objects.none()
        return self.rows().select_related("owner")


class CustomStrategies(_Trees, _CustomList):
    """Your custom strategies."""

    def rows(self) -> QuerySet[CustomStrategy]:
        return selectors.custom_of(self.request.user)

    @extend_schema(operation_id="custom_strategies_list")
    def get(self, request: Request) -> Response:
        """Your custom strategies, the last changed first."""
        return super().get(request)

    @extend_schema(
        operation_id="custom_strategies_create",
        request=shapes.CustomRequestSerializer,
        responses={201: _CREATED, **errors_for(409)},
    )
    def post(self, request: Request) -> Response:
        """Save conditions under a name. A worker then checks them: `check` says how that stands.

        403 on a tier without custom strategies and at its limit, 409 when you have one of that name already.
        """
        return _answer(request, custom.create(request.user, request.data), status.HTTP_201_CREATED)


class PublicCustomStrategies(WithGallery, _CustomList):
    """Custom strategies that their owners made public."""

    serializer_class = shapes.PublicCustomStrategySerializer

    def rows(self) -> QuerySet[CustomStrategy]:
        return selectors.public_custom()

    @extend_schema(operation_id="custom_strategies_public")
    def get(self, request: Request) -> Response:
        """Everybody's public ones, the last changed first."""
        return super().get(request)


class CustomStrategyDetail(_Trees):
    """One custom strategy."""

    @extend_schema(operation_id="custom_strategies_get", responses={200: shapes.CustomStrategySerializer})
    def get(self, request: Request, custom_id: int) -> Response:
        """One of yours, or a public one."""
        return _answer(request, selectors.readable_custom(request.user, custom_id))

    @extend_schema(
        operation_id="custom_strategies_replace",
        request=shapes.CustomRequestSerializer,
        responses={200: shapes.CustomStrategySerializer, **errors_for(409)},
    )
    def put(self, request: Request, custom_id: int) -> Response:
        """Replace one of yours; what is left out gets its default. What runs keeps the conditions it copied."""
        return _answer(request, custom.replace(request.user, custom_id, request.data))

    @extend_schema(
        operation_id="custom_strategies_update",
        request=shapes.CustomRequestSerializer(partial=True),
        responses={200: shapes.CustomStrategySerializer, **errors_for(409)},
    )
    def patch(self, request: Request, custom_id: int) -> Response:
        """Change some fields of one of yours; a tree is replaced as a whole, null takes it away."""
        return _answer(request, custom.update(request.user, custom_id, request.data))

    @extend_schema(operation_id="custom_strategies_delete", responses={204: None, **errors_for(409)})
    def delete(self, request: Request, custom_id: int) -> Response:
        """Delete one of yours; 409 while a session runs it. Backtests and ended sessions keep its conditions."""
        custom.remove(request.user, custom_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class CopyCustomStrategy(APIView):
    """Copy a custom strategy."""

    @extend_schema(
        operation_id="custom_strategies_copy",
        request=CopyRequestSerializer,
        responses={201: _CREATED, **errors_for(409)},
    )
    def post(self, request: Request, custom_id: int) -> Response:
        """A private copy of one of yours or of a public one."""
        reader = CopyRequestSerializer(data=request.data)
        reader.is_valid(raise_exception=True)
        row = custom.copy(request.user, custom_id, reader.validated_data.get("name"))
        return _answer(request, row, status.HTTP_201_CREATED)


class ValidateConditions(_Trees):
    """Check conditions without saving them."""

    @extend_schema(
        operation_id="custom_strategies_validate",
        request=shapes.TreesSerializer,
        responses={200: shapes.ConditionsCheckedSerializer},
    )
    def post(self, request: Request) -> Response:
        """Whether trees are sound, in words and in their canonical form; open to every tier.

        Faulty trees answer 200 with `valid: false` and each fault by its path. 400 is for a body that is no such
        request at all: no JSON, too large, too deep, unknown fields.
        """
        return Response(custom.validate(request.data))


class TestConditions(_Trees):
    """Look at conditions over bars."""

    @extend_schema(
        operation_id="custom_strategies_test",
        parameters=[_LOCATION],
        request=shapes.ConditionTestRequestSerializer,
        responses={
            200: OpenApiResponse(shapes.ConditionTestSerializer, description="It is over: state says how it ended"),
            202: OpenApiResponse(shapes.ConditionTestSerializer, description="A worker is at it; ask Location again"),
            **errors_for(404),
        },
    )
    def post(self, request: Request) -> Response:
        """On which bars each tree is true, and why; open to every tier. Kept for an hour."""
        test = trials.submit(request.user, request.data)
        rows = ConditionTest.objects.filter(pk=test.pk)
        wait_until(lambda: rows.values_list("state", flat=True).first() not in ConditionTest.ACTIVE, WAIT_S)
        return _looked(rows.first() or test)


class ConditionTestDetail(APIView):
    """One look at conditions over bars."""

    @extend_schema(operation_id="custom_strategies_test_get", responses={200: shapes.ConditionTestSerializer})
    def get(self, request: Request, test_id: UUID) -> Response:
        """One of yours, as it stands; gone after an hour."""
        return Response(shapes.ConditionTestSerializer(selectors.condition_test(request.user, test_id)).data)


def _looked(test: ConditionTest) -> Response:
    code = status.HTTP_202_ACCEPTED if test.state in ConditionTest.ACTIVE else status.HTTP_200_OK
    location = reverse("strategies-api:custom-test-result", args=[test.pk])
    return Response(shapes.ConditionTestSerializer(test).data, status=code, headers={"Location": location})
