"""REST routes of bots and of their configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bots import selectors, services
from bots.api.reading import KEY, LOCATION, Listing, body, query, started
from bots.api.serializers import bots as shapes
from bots.api.serializers.sessions import StartRequestSerializer, TradingSessionSerializer
from bots.models import Bot
from bots.services import real_money
from strategies.conditions.shapes import MAX_JSON_DEPTH
from tradingsite.lib.schema import errors_for

_CREATED = OpenApiResponse(shapes.BotSerializer, description="Saved; Location is its address")


def answer_bot(bot: Bot, code: int = status.HTTP_200_OK) -> Response:
    """A bot as the API shows it; 201 with its address."""
    headers = {"Location": reverse("bots-api:bot", args=[bot.pk])} if code == status.HTTP_201_CREATED else {}
    return Response(shapes.BotSerializer(bot).data, status=code, headers=headers)


class Bots(Listing):
    """Your bots."""

    max_json_depth = MAX_JSON_DEPTH

    @extend_schema(
        operation_id="bots_list",
        parameters=[shapes.BotFilterSerializer],
        responses={200: shapes.BotListSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        """Your bots by name, each with its active session."""
        rows = selectors.bots(request.user, **query(shapes.BotFilterSerializer, request))
        return self.paged(request, rows, shapes.BotListSerializer)

    @extend_schema(
        operation_id="bots_create",
        request=shapes.BotRequestSerializer,
        responses={201: _CREATED, **errors_for(404, 409, 422)},
    )
    def post(self, request: Request) -> Response:
        """Save a bot. 409 when you have one of that name already."""
        return answer_bot(services.bots.create(request.user, request.data), status.HTTP_201_CREATED)


class BotDetail(APIView):
    """One bot."""

    max_json_depth = MAX_JSON_DEPTH

    @extend_schema(operation_id="bots_get", responses={200: shapes.BotSerializer})
    def get(self, request: Request, bot_id: int) -> Response:
        """A bot of yours."""
        return answer_bot(selectors.bot(request.user, bot_id))

    @extend_schema(
        operation_id="bots_replace",
        request=shapes.BotRequestSerializer,
        responses={200: shapes.BotSerializer, **errors_for(409, 422)},
    )
    def put(self, request: Request, bot_id: int) -> Response:
        """Replace it; what is left out gets its default. A session that runs keeps what it was started with."""
        return answer_bot(services.bots.replace(request.user, bot_id, request.data))

    @extend_schema(
        operation_id="bots_update",
        parameters=[shapes.ApplyQuerySerializer],
        request=shapes.BotRequestSerializer(partial=True),
        responses={200: shapes.BotSerializer, **errors_for(409, 422)},
    )
    def patch(self, request: Request, bot_id: int) -> Response:
        """Change some fields; settings and parameters name by name."""
        apply = query(shapes.ApplyQuerySerializer, request)["apply"]
        return answer_bot(services.bots.update(request.user, bot_id, request.data, apply=apply))

    @extend_schema(operation_id="bots_delete", responses={204: None, **errors_for(409)})
    def delete(self, request: Request, bot_id: int) -> Response:
        """Delete it; its sessions stay. 409 while one of them is active."""
        services.bots.remove(request.user, bot_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class BotConfig(APIView):
    """The configuration of a bot."""

    max_json_depth = MAX_JSON_DEPTH

    @extend_schema(operation_id="bot_config_get", responses={200: shapes.BotExportSerializer})
    def get(self, request: Request, bot_id: int) -> Response:
        """The whole configuration, as POST /api/bots/import takes it: to keep, or to give to somebody."""
        return Response(services.bots.export_config(request.user, bot_id))

    @extend_schema(
        operation_id="bot_config_replace",
        request=shapes.BotRequestSerializer,
        responses={200: shapes.BotExportSerializer, **errors_for(409, 422)},
    )
    def put(self, request: Request, bot_id: int) -> Response:
        """Replace it; what is left out gets its default."""
        services.bots.replace(request.user, bot_id, request.data)
        return Response(services.bots.export_config(request.user, bot_id))

    @extend_schema(
        operation_id="bot_config_change",
        parameters=[shapes.ApplyQuerySerializer],
        request=shapes.BotRequestSerializer(partial=True),
        responses={200: shapes.BotExportSerializer, **errors_for(409, 422)},
    )
    def post(self, request: Request, bot_id: int) -> Response:
        """Change some of it. With `apply=true` new entries of its active session follow the settings, too."""
        apply = query(shapes.ApplyQuerySerializer, request)["apply"]
        services.bots.update(request.user, bot_id, request.data, apply=apply)
        return Response(services.bots.export_config(request.user, bot_id))


class ImportBot(APIView):
    """Make a bot of an exported configuration."""

    max_json_depth = MAX_JSON_DEPTH

    @extend_schema(
        operation_id="bots_import",
        request=shapes.BotDocumentSerializer,
        responses={201: _CREATED, **errors_for(404, 409, 422)},
    )
    def post(self, request: Request) -> Response:
        """A new bot of yours; a taken name gets "(copy)"."""
        return answer_bot(services.bots.import_config(request.user, request.data), status.HTTP_201_CREATED)


class CloneBot(APIView):
    """Copy a bot."""

    @extend_schema(
        operation_id="bots_clone",
        request=shapes.CloneRequestSerializer,
        responses={201: _CREATED, **errors_for(409, 422)},
    )
    def post(self, request: Request, bot_id: int) -> Response:
        """A copy of one of yours; without a name it is called like the original, with "(copy)"."""
        name = body(shapes.CloneRequestSerializer, request).get("name")
        return answer_bot(services.bots.clone(request.user, bot_id, name), status.HTTP_201_CREATED)


class StartBot(APIView):
    """Start a bot."""

    max_json_depth = MAX_JSON_DEPTH

    @extend_schema(
        operation_id="bots_start",
        parameters=[KEY, LOCATION],
        request=StartRequestSerializer,
        responses={200: TradingSessionSerializer, 201: TradingSessionSerializer, **errors_for(409, 422)},
    )
    def post(self, request: Request, bot_id: int) -> Response:
        """A session with all of the bot's configuration, where it trades, what is sent over it. 200 with the active
        one, if there is. Real money asks for `password`."""
        key = request.headers.get("Idempotency-Key")
        sent = {**request.data, "bot_id": bot_id} if isinstance(request.data, Mapping) else request.data
        payload = real_money.ask_password(request, sent)
        return started(*services.bots.start(request.user, bot_id, payload, key))


class _Steer(APIView):
    def answered(self, session: Any) -> Response:
        return Response(TradingSessionSerializer(session).data)


class StopBot(_Steer):
    """Stop a bot."""

    @extend_schema(
        operation_id="bots_stop",
        request=shapes.StopBotSerializer,
        responses={200: TradingSessionSerializer, **errors_for(409)},
    )
    def post(self, request: Request, bot_id: int) -> Response:
        """Stop its session. 409 for a bot that was never started."""
        policy = body(shapes.StopBotSerializer, request).get("policy")
        return self.answered(services.bots.stop(request.user, bot_id, policy))


class PauseBot(_Steer):
    """Pause a bot."""

    @extend_schema(
        operation_id="bots_pause", request=None, responses={200: TradingSessionSerializer, **errors_for(409)}
    )
    def post(self, request: Request, bot_id: int) -> Response:
        """No new entries of its session; exits go on. 409 while none is active."""
        return self.answered(services.bots.pause(request.user, bot_id))


class ResumeBot(_Steer):
    """Resume a bot."""

    @extend_schema(
        operation_id="bots_resume", request=None, responses={200: TradingSessionSerializer, **errors_for(409)}
    )
    def post(self, request: Request, bot_id: int) -> Response:
        """Entries again. 409 while no session of it is active."""
        return self.answered(services.bots.resume(request.user, bot_id))
