"""/api/notifications: what the caller was told."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import selectors
from accounts.models import Notification
from accounts.serializers.notifications import NotificationQuerySerializer, NotificationSerializer, ReadAllSerializer
from accounts.services import notifications


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
