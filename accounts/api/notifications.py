"""/api/notifications: what the caller was told, and where else they want to hear of it."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import selectors
from accounts.models import Notification
from accounts.reporters import KINDS
from accounts.serializers.notifications import (
    ChannelRequestSerializer,
    ChannelSerializer,
    NotificationQuerySerializer,
    NotificationSerializer,
    ReadAllSerializer,
)
from accounts.services import notifications

_KIND = OpenApiParameter("kind", OpenApiTypes.STR, OpenApiParameter.PATH, enum=list(KINDS))


@extend_schema(tags=["notifications"], parameters=[NotificationQuerySerializer])
class Notifications(ListAPIView):
    """What the caller was told, newest first."""

    serializer_class = NotificationSerializer

    def get_queryset(self) -> QuerySet[Notification]:
        if getattr(self, "swagger_fake_view", False):
            return Notification.objects.none()
        query = NotificationQuerySerializer(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        return selectors.notifications(self.request.user, **query.validated_data)


class Read(APIView):
    @extend_schema(tags=["notifications"], request=None, responses=NotificationSerializer)
    def post(self, request: Request, notification_id: int) -> Response:
        """Mark one as read. Doing it again changes nothing."""
        return Response(NotificationSerializer(notifications.mark_read(request.user, notification_id)).data)


class ReadAll(APIView):
    @extend_schema(tags=["notifications"], request=None, responses=ReadAllSerializer)
    def post(self, request: Request) -> Response:
        """Mark everything as read."""
        return Response({"marked": notifications.mark_all_read(request.user)})


class Channels(APIView):
    @extend_schema(tags=["notifications"], responses=ChannelSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The caller's channels outside the site."""
        return Response(ChannelSerializer(list(selectors.channels(request.user).values()), many=True).data)


class Channel(APIView):
    @extend_schema(
        tags=["notifications"], parameters=[_KIND], request=ChannelRequestSerializer, responses=ChannelSerializer
    )
    def put(self, request: Request, kind: str) -> Response:
        """Set up a channel, or change it."""
        sent = ChannelRequestSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        row = notifications.set_channel(request.user, kind, **sent.validated_data)
        return Response(ChannelSerializer(row).data)

    @extend_schema(tags=["notifications"], parameters=[_KIND], responses={204: None})
    def delete(self, request: Request, kind: str) -> Response:
        """Forget a channel and its secret."""
        notifications.remove_channel(request.user, kind)
        return Response(status=204)


class TryChannel(APIView):
    @extend_schema(tags=["notifications"], parameters=[_KIND], request=None, responses={202: None})
    def post(self, request: Request, kind: str) -> Response:
        """Send a test message through a channel."""
        notifications.try_channel(request.user, kind)
        return Response(status=202)
