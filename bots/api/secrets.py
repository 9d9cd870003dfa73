"""REST routes of a bot's secrets: they go in, and come out as an ending of four characters."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bots import selectors, services
from bots.api.reading import body
from bots.api.serializers.secrets import BotSecretsRequestSerializer, BotSecretsSerializer
from tradingsite.lib.schema import errors_for


class BotSecretsView(APIView):
    """The secrets of a bot."""

    @extend_schema(operation_id="bot_secrets_get", responses={200: BotSecretsSerializer})
    def get(self, request: Request, bot_id: int) -> Response:
        """What is set, and how it ends. The secrets themselves are never told."""
        return Response(BotSecretsSerializer(selectors.bot_secrets(request.user, bot_id)).data)

    @extend_schema(
        operation_id="bot_secrets_put",
        request=BotSecretsRequestSerializer,
        responses={200: BotSecretsSerializer, **errors_for(503)},
    )
    def put(self, request: Request, bot_id: int) -> Response:
        """Set some of them; what is left out stays, null forgets it."""
        changes = body(BotSecretsRequestSerializer, request)
        return Response(BotSecretsSerializer(services.secrets.put(request.user, bot_id, changes)).data)

    @extend_schema(operation_id="bot_secrets_delete", responses={204: None})
    def delete(self, request: Request, bot_id: int) -> Response:
        """Forget all of them."""
        services.secrets.forget(request.user, bot_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
