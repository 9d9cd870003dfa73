"""REST routes of the gallery: the list, publishing, ratings, reports."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from strategies import selectors as saved
from strategies.gallery import opinions, publishing, selectors
from strategies.gallery import serializers as shapes
from strategies.gallery.models import Publication
from strategies.gallery.subjects import Subject
from tradingsite.lib.pagination import Pages
from tradingsite.lib.schema import errors_for


class Gallery(ListAPIView):
    """The gallery."""

    serializer_class = shapes.PublicationSerializer

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Publication.objects.none()
        query = shapes.GalleryQuerySerializer(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        asked = dict(query.validated_data)
        return selectors.listed(words=asked.pop("q", ""), **asked)

    @extend_schema(operation_id="gallery_list", parameters=[shapes.GalleryQuerySerializer])
    def get(self, request: Request) -> Response:
        """Every public strategy, of both kinds, with figures that the platform computed. Nothing sorts in sample."""
        return super().get(request)


class GalleryEntry(APIView):
    """One publication."""

    @extend_schema(operation_id="gallery_get", responses={200: shapes.PublicationSerializer})
    def get(self, request: Request, publication_id: int) -> Response:
        """A public strategy with its figures, or your own also while it is not in the gallery."""
        row = selectors.one(request.user, publication_id)
        return Response(shapes.PublicationSerializer(row, context={"request": request}).data)


class _OfSaved(APIView):
    """Base of the routes below a saved strategy's address. Others' private ones do not exist."""

    def readable(self) -> Subject:
        """One of the caller's own or a public one. Raises NotFound."""
        return saved.readable(self.request.user, self.kwargs["strategy_id"])

    def own(self) -> Subject:
        """One of the caller's own. Raises NotFound."""
        return saved.get(self.request.user, self.kwargs["strategy_id"])

    def publication(self) -> Publication:
        """The publication of a strategy that the caller may read. Raises NotFound."""
        return selectors.of(self.request.user, self.readable())


class _OfCustom(_OfSaved):
    """The same below a custom strategy's address."""

    def readable(self) -> Subject:
        return saved.readable_custom(self.request.user, self.kwargs["custom_id"])

    def own(self) -> Subject:
        return saved.custom(self.request.user, self.kwargs["custom_id"])


class Publish(_OfSaved):
    """A strategy's place in the gallery."""

    @extend_schema(
        operation_id="strategies_publish",
        request=shapes.PublishRequestSerializer,
        responses={200: shapes.PublicationSerializer},
    )
    def post(self, request: Request, **_: int) -> Response:
        """Publish one of yours, or change what it is measured on. Its figures are computed by a worker."""
        row = publishing.publish(request.user, self.own(), request.data)
        shown = selectors.one(request.user, row.pk)
        return Response(shapes.PublicationSerializer(shown, context={"request": request}).data)

    @extend_schema(operation_id="strategies_withdraw", responses={204: None})
    def delete(self, request: Request, **_: int) -> Response:
        """Take one of yours out of the gallery. Copies that others made stay, and so do its ratings."""
        publishing.withdraw(request.user, self.own())
        return Response(status=status.HTTP_204_NO_CONTENT)


class Rate(_OfSaved):
    """Your rating of a public strategy."""

    @extend_schema(
        operation_id="strategies_rate",
        request=shapes.RateRequestSerializer,
        responses={200: shapes.RatingSerializer, **errors_for(409)},
    )
    def post(self, request: Request, **_: int) -> Response:
        """Rate it, or change your rating; one each. 409 for your own."""
        row = self.publication()
        rating = opinions.rate(request.user, row, request.data)
        return Response(shapes.RatingSerializer(rating, context={"choice": row.choice}).data)

    @extend_schema(operation_id="strategies_unrate", responses={204: None})
    def delete(self, request: Request, **_: int) -> Response:
        """Take your rating back."""
        opinions.take_back(request.user, self.publication())
        return Response(status=status.HTTP_204_NO_CONTENT)


class Ratings(_OfSaved):
    """Ratings of a public strategy."""

    pagination_class = Pages

    @extend_schema(operation_id="strategies_ratings", responses={200: shapes.RatingSerializer(many=True)})
    def get(self, request: Request, **_: int) -> Response:
        """What others think of it, the newest first."""
        row = self.publication()
        pages = Pages()
        found = pages.paginate_queryset(selectors.ratings(row), request, self)
        context = {"choice": row.choice}
        return pages.get_paginated_response(shapes.RatingSerializer(found, many=True, context=context).data)


class Report(_OfSaved):
    """Reports to the operators."""

    @extend_schema(
        operation_id="strategies_report",
        request=shapes.ReportRequestSerializer,
        responses={204: None, **errors_for(409)},
    )
    def post(self, request: Request, **_: int) -> Response:
        """Say why it should not be in the gallery. Only operators see it; one each."""
        opinions.report(request.user, self.publication(), request.data)
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema_view(
    post=extend_schema(operation_id="custom_strategies_publish"),
    delete=extend_schema(operation_id="custom_strategies_withdraw"),
)
class PublishCustom(_OfCustom, Publish):
    """A custom strategy's place in the gallery."""


@extend_schema_view(
    post=extend_schema(operation_id="custom_strategies_rate"),
    delete=extend_schema(operation_id="custom_strategies_unrate"),
)
class RateCustom(_OfCustom, Rate):
    """Your rating of a public custom strategy."""


@extend_schema_view(get=extend_schema(operation_id="custom_strategies_ratings"))
class RatingsOfCustom(_OfCustom, Ratings):
    """Ratings of a public custom strategy."""


@extend_schema_view(post=extend_schema(operation_id="custom_strategies_report"))
class ReportCustom(_OfCustom, Report):
    """Reports to the operators about a custom strategy."""
