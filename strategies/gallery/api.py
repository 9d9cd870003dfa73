"""REST routes of the gallery: the list, publishing, ratings, reports."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
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


class _OfStrategy(APIView):
    """Base of the routes below a strategy's address. Others' private ones do not exist."""

    def readable(self, request: Request, key: int) -> Subject:
        """One of the caller's own or a public one. Raises NotFound."""
        return saved.readable(request.user, key)

    def own(self, request: Request, key: int) -> Subject:
        """One of the caller's own. Raises NotFound."""
        return saved.get(request.user, key)


class Publish(_OfStrategy):
    """A strategy's place in the gallery."""

    @extend_schema(
        operation_id="strategies_publish",
        request=shapes.PublishRequestSerializer,
        responses={200: shapes.PublicationSerializer},
    )
    def post(self, request: Request, strategy_id: int) -> Response:
        """Publish one of yours, or change what it is measured on. Its figures are computed by a worker."""
        subject = self.own(request, strategy_id)
        row = publishing.publish(request.user, subject, request.data)
        shown = selectors.one(request.user, row.pk)
        return Response(shapes.PublicationSerializer(shown, context={"request": request}).data)

    @extend_schema(operation_id="strategies_withdraw", responses={204: None})
    def delete(self, request: Request, strategy_id: int) -> Response:
        """Take one of yours out of the gallery. Copies that others made stay, and so do its ratings."""
        publishing.withdraw(request.user, self.own(request, strategy_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class Rate(_OfStrategy):
    """Your rating of a public strategy."""

    @extend_schema(
        operation_id="strategies_rate",
        request=shapes.RateRequestSerializer,
        responses={200: shapes.RatingSerializer, **errors_for(409)},
    )
    def post(self, request: Request, strategy_id: int) -> Response:
        """Rate it, or change your rating; one each. 409 for your own."""
        row = selectors.of(request.user, self.readable(request, strategy_id))
        rating = opinions.rate(request.user, row, request.data)
        return Response(shapes.RatingSerializer(rating, context={"choice": row.choice}).data)

    @extend_schema(operation_id="strategies_unrate", responses={204: None})
    def delete(self, request: Request, strategy_id: int) -> Response:
        """Take your rating back."""
        opinions.take_back(request.user, selectors.of(request.user, self.readable(request, strategy_id)))
        return Response(status=status.HTTP_204_NO_CONTENT)


class Ratings(_OfStrategy):
    """Ratings of a public strategy."""

    pagination_class = Pages

    @extend_schema(operation_id="strategies_ratings", responses={200: shapes.RatingSerializer(many=True)})
    def get(self, request: Request, strategy_id: int) -> Response:
        """What others think of it, the newest first."""
        row = selectors.of(request.user, self.readable(request, strategy_id))
        pages = Pages()
        found = pages.paginate_queryset(selectors.ratings(row), request, self)
        context = {"choice": row.choice}
        return pages.get_paginated_response(shapes.RatingSerializer(found, many=True, context=context).data)


class Report(_OfStrategy):
    """Reports to the operators."""

    @extend_schema(
        operation_id="strategies_report",
        request=shapes.ReportRequestSerializer,
        responses={204: None, **errors_for(409)},
    )
    def post(self, request: Request, strategy_id: int) -> Response:
        """Say why it should not be in the gallery. Only operators see it; one each."""
        row = selectors.of(request.user, self.readable(request, strategy_id))
        opinions.report(request.user, row, request.data)
        return Response(status=status.HTTP_204_NO_CONTENT)
