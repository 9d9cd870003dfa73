"""REST routes of news: the scored items, and bringing in more."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from engine.errors import Fault, InputError
from marketdata.models import NewsItem
from marketdata.news import scorer, selectors, services
from marketdata.news.base import MAX_SUMMARY, MAX_TITLE, MAX_URL
from marketdata.news.names import SOURCE_NAMES
from marketdata.serializers import MomentField
from marketdata.symbols import clean_symbol
from tradingsite.lib.errors import TooLarge
from tradingsite.lib.fields import (
    QuerySerializer,
    StrictCharField,
    StrictChoiceField,
    StrictFloatField,
    StrictSerializer,
)
from tradingsite.lib.parsers import StrictJSONParser, StrictMultiPartParser
from tradingsite.lib.schema import errors_for

_MULTIPART_ROOM = 1024 * 1024


class NewsQuerySerializer(QuerySerializer):
    symbol = serializers.CharField(required=False, max_length=32, help_text="Of one symbol only")
    source = serializers.ChoiceField(choices=SOURCE_NAMES, required=False, help_text="Of one source only")
    start = MomentField(required=False, help_text="Published at or after this")
    end = MomentField(is_end=True, required=False, help_text="Published before this; a date is included")


class WordSerializer(serializers.Serializer):
    """What one word or phrase adds to the sum s; the score is s / √(s² + 15)."""

    text = serializers.CharField()
    value = serializers.FloatField(help_text="-4 to 4 before negations, adverbs and “but”")
    why = serializers.CharField(help_text="The rules that changed it; may be empty")


class NewsItemSerializer(serializers.ModelSerializer):
    """One item of news about one symbol."""

    source = serializers.ChoiceField(choices=SOURCE_NAMES)
    synthetic = serializers.SerializerMethodField(help_text="It was made up from a seed; nothing happened")
    score = serializers.FloatField(help_text="-1 (bad) to 1 (good)")
    scorer = serializers.CharField(help_text="Version of the rules that scored it; “given”: the score came with it")
    words = WordSerializer(many=True, help_text="What the score is made of; empty where it was given")
    is_own = serializers.SerializerMethodField(help_text="Whether only you see it")

    class Meta:
        model = NewsItem
        fields = (
            "id", "source", "synthetic", "symbol", "published_at", "title", "summary", "url", "score", "scorer",
            "words", "is_own", "imported_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_synthetic(self, row: NewsItem) -> bool:
        return row.source == "synthetic"

    def get_is_own(self, row: NewsItem) -> bool:
        return row.owner_id is not None


class NewsEntrySerializer(StrictSerializer):
    """One item as it is sent."""

    published_at = StrictCharField(max_length=40, help_text="ISO-8601 with its zone: 2024-03-01T14:30:00Z")
    symbol = StrictCharField(max_length=32, required=False, help_text="Without it, that of the whole body")
    title = StrictCharField(max_length=MAX_TITLE)
    summary = StrictCharField(max_length=MAX_SUMMARY, required=False, allow_blank=True)
    url = StrictCharField(max_length=MAX_URL, required=False, allow_blank=True)
    score = StrictFloatField(min_value=-1, max_value=1, required=False, help_text="Yours in the place of ours")


class NewsBodySerializer(StrictSerializer):
    """Items of news."""

    symbol = StrictCharField(max_length=32, required=False, help_text="That of items which name none")
    items = NewsEntrySerializer(many=True, help_text=f"At most {services.MAX_ITEMS:,}")  # type: ignore[assignment]


class _SymbolSerializer(StrictSerializer):
    """What of a body of items is read here; the items are read as a file's are."""

    symbol = StrictCharField(max_length=32, required=False, default="")


class NewsFileSerializer(StrictSerializer):
    """A file of news."""

    file = serializers.FileField(allow_empty_file=True, max_length=None, help_text="CSV (UTF-8, commas) or JSON")
    symbol = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=32, help_text="That of items which name none"
    )


class NewsFetchSerializer(StrictSerializer):
    """What to ask a provider for."""

    source = StrictChoiceField(choices=SOURCE_NAMES, help_text="A provider that can be asked")
    symbol = StrictCharField(max_length=32)
    start = MomentField(help_text="First moment")
    end = MomentField(is_end=True, help_text="A date is included, a time is not")


class NewsTextSerializer(StrictSerializer):
    """A text to score."""

    title = StrictCharField(max_length=MAX_TITLE)
    summary = StrictCharField(max_length=MAX_SUMMARY, required=False, default="", allow_blank=True)


class NewsScoreSerializer(serializers.Serializer):
    """A score, word by word."""

    score = serializers.FloatField(help_text="-1 (bad) to 1 (good)")
    scorer = serializers.CharField()
    words = WordSerializer(many=True)


class NewsOutcomeSerializer(serializers.Serializer):
    """What became of the items."""

    added = serializers.IntegerField()
    known = serializers.IntegerField(help_text="Were there already, and stay as they are")
    symbols = serializers.ListField(child=serializers.CharField())


def _body(serializer: Any, request: Request) -> dict[str, Any]:
    reader = serializer(data=request.data)
    reader.is_valid(raise_exception=True)
    return reader.validated_data


def _outcome(outcome: services.Outcome) -> Response:
    return Response(NewsOutcomeSerializer(outcome).data)


class NewsView(ListAPIView):
    """Scored news."""

    serializer_class = NewsItemSerializer

    def get_queryset(self) -> QuerySet[NewsItem]:
        if getattr(self, "swagger_fake_view", False):
            return NewsItem.objects.none()
        reader = NewsQuerySerializer(data=self.request.query_params)
        reader.is_valid(raise_exception=True)
        query = dict(reader.validated_data)
        if "symbol" in query:
            query["symbol"] = clean_symbol(query["symbol"])
        return selectors.news(self.request.user, **query)

    @extend_schema(operation_id="news", parameters=[NewsQuerySerializer])
    def get(self, request: Request) -> Response:
        """Everybody's news and your own, newest first, each with what its score is made of."""
        return super().get(request)


class NewsImportView(APIView):
    """Bring in news."""

    parser_classes = [StrictJSONParser, StrictMultiPartParser]

    @extend_schema(
        operation_id="news_import",
        request={"application/json": NewsBodySerializer, "multipart/form-data": NewsFileSerializer},
        responses={200: NewsOutcomeSerializer, **errors_for(409)},
    )
    def post(self, request: Request) -> Response:
        """Items as JSON, or a CSV or JSON file. All of them, or the first ten faults and none. Only you see them.

        An item that is there already (same symbol, time and title) stays as it is.
        """
        if not request.content_type.startswith("multipart/"):
            sent = request.data
            if not isinstance(sent, dict):
                raise InputError(Fault("", "wrong_type", "The body is not an object", 'Send {"items": […]}'))
            of_all = _SymbolSerializer(data={name: sent[name] for name in sent if name == "symbol"})
            of_all.is_valid(raise_exception=True)
            return _outcome(services.import_objects(request.user, sent, symbol=of_all.validated_data["symbol"]))
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length) > services.MAX_BYTES + _MULTIPART_ROOM:
            raise TooLarge(f"Files of news of up to {services.MAX_BYTES // 1_000_000} MB are taken.")
        form = _body(NewsFileSerializer, request)
        return _outcome(services.import_upload(request.user, form["file"], symbol=form["symbol"]))


class NewsFetchView(APIView):
    """Ask a provider for news."""

    @extend_schema(
        operation_id="news_fetch",
        request=NewsFetchSerializer,
        responses={200: NewsOutcomeSerializer, **errors_for(409)},
    )
    def post(self, request: Request) -> Response:
        """Keep what a provider has about a symbol. `synthetic` makes news up, of made-up symbols only."""
        return _outcome(services.fetch(request.user, **_body(NewsFetchSerializer, request)))


class NewsScoreView(APIView):
    """How a text is scored."""

    @extend_schema(operation_id="news_score", request=NewsTextSerializer, responses=NewsScoreSerializer)
    def post(self, request: Request) -> Response:
        """The score of a text, word by word. Nothing is kept."""
        made = scorer.score(**_body(NewsTextSerializer, request))
        answer = {"score": made.value, "scorer": scorer.VERSION, "words": made.parts}
        return Response(NewsScoreSerializer(answer).data)


class NewsOfSymbolView(APIView):
    """Your own news of one symbol."""

    @extend_schema(
        operation_id="news_delete", responses={204: OpenApiResponse(description="Deleted; maybe there was none")}
    )
    def delete(self, request: Request, symbol: str) -> Response:
        """Delete the news that you brought in about a symbol. Results that read them stay as they are."""
        services.remove(request.user, symbol)
        return Response(status=status.HTTP_204_NO_CONTENT)
