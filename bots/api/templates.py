"""REST routes of bot templates."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bots import services
from bots.api.bots import answer_bot
from bots.api.reading import body, query
from bots.api.serializers import bots as bot_shapes
from bots.api.serializers import templates as shapes
from bots.models import BotTemplate
from bots.selectors import templates as reads
from tradingsite.lib.pagination import Pages
from tradingsite.lib.schema import errors_for

_CREATED = OpenApiResponse(shapes.TemplateSerializer, description="Kept; Location is its address")
_BOT = OpenApiResponse(bot_shapes.BotSerializer, description="Saved; Location is its address")


def _answer(request: Request, row: BotTemplate, code: int = status.HTTP_200_OK) -> Response:
    key = reads.key_of(row)
    created = code == status.HTTP_201_CREATED
    headers = {"Location": reverse("bots-api:template", args=[key])} if created else {}
    return Response(shapes.TemplateSerializer(reads.template(request.user, key)).data, status=code, headers=headers)


class Templates(APIView):
    """Bot templates."""

    pagination_class = Pages

    @extend_schema(
        operation_id="bot_templates_list",
        parameters=[shapes.TemplateQuerySerializer],
        responses={200: shapes.TemplateSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        """Ready-made bots, your own templates, and those that others share."""
        asked: dict[str, Any] = dict(query(shapes.TemplateQuerySerializer, request))
        rows = reads.templates(request.user, words=asked.pop("q", ""), **asked)
        pages = Pages()
        found = pages.paginate_queryset(rows, request, self)
        return pages.get_paginated_response(shapes.TemplateSerializer(found, many=True).data)

    @extend_schema(
        operation_id="bot_templates_save",
        request=shapes.TemplateRequestSerializer,
        responses={201: _CREATED, **errors_for(404, 409)},
    )
    def post(self, request: Request) -> Response:
        """Keep one of your bots as a template, without its keys, accounts and chats. 409 for a name that you have."""
        sent = dict(body(shapes.TemplateRequestSerializer, request))
        return _answer(
            request, services.templates.save(request.user, sent.pop("bot_id"), sent), status.HTTP_201_CREATED
        )


class TemplateDetail(APIView):
    """One template."""

    @extend_schema(operation_id="bot_templates_get", responses={200: shapes.TemplateSerializer})
    def get(self, request: Request, template: str) -> Response:
        """A ready-made one, your own, or one that somebody shares."""
        return Response(shapes.TemplateSerializer(reads.template(request.user, template)).data)

    @extend_schema(
        operation_id="bot_templates_change",
        request=shapes.TemplateChangeSerializer,
        responses={200: shapes.TemplateSerializer, **errors_for(409)},
    )
    def patch(self, request: Request, template: str) -> Response:
        """Change the words of one of your own, and whether it is shared."""
        reads.own_template(request.user, template)
        changes = dict(body(shapes.TemplateChangeSerializer, request))
        return _answer(request, services.templates.update(request.user, template, changes))

    @extend_schema(operation_id="bot_templates_delete", responses={204: None})
    def delete(self, request: Request, template: str) -> Response:
        """Delete one of your own; bots that were made of it stay."""
        services.templates.remove(request.user, template)
        return Response(status=status.HTTP_204_NO_CONTENT)


class UseTemplate(APIView):
    """A bot of a template."""

    @extend_schema(
        operation_id="bot_templates_use",
        request=bot_shapes.BotRequestSerializer(partial=True),
        responses={201: _BOT, **errors_for(404, 409, 422)},
    )
    def post(self, request: Request, template: str) -> Response:
        """A bot of your own made of it; any field of a bot may be sent over it. A taken name gets "(copy)"."""
        return answer_bot(services.templates.use(request.user, template, request.data), status.HTTP_201_CREATED)
