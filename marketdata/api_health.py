"""REST routes of the health of data: series and their problems, sources and their usage, reading a series anew."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketdata import health
from marketdata.models import ProviderUsage, Refetch, Revision, SourceChoice
from marketdata.models.instrument import Source
from marketdata.serializers import TIMEFRAMES
from marketdata.services import refetching
from tradingsite.lib.errors import NotFound
from tradingsite.lib.fields import QuerySerializer, StrictSerializer
from tradingsite.lib.schema import errors_for


class SeriesHealthQuerySerializer(QuerySerializer):
    symbol = serializers.CharField(required=False, max_length=32)
    source = serializers.ChoiceField(choices=Source.values, required=False)
    problem = serializers.ChoiceField(choices=["any", *health.PROBLEMS], required=False, help_text="Only those with it")


class SeriesHealthSerializer(serializers.Serializer):
    """One stored series and what is wrong with it."""

    instrument = serializers.IntegerField(source="coverage.instrument_id")
    symbol = serializers.CharField(source="coverage.symbol")
    source = serializers.ChoiceField(source="coverage.provider", choices=Source.values)
    timeframe = serializers.ChoiceField(source="coverage.timeframe", choices=TIMEFRAMES)
    first_at = serializers.DateTimeField(source="coverage.first_at")
    last_at = serializers.DateTimeField(source="coverage.last_at")
    bars = serializers.IntegerField(source="coverage.bars")
    complete_pct = serializers.FloatField(source="coverage.complete_pct", allow_null=True)
    gap_count = serializers.IntegerField(source="coverage.gap_count", allow_null=True)
    sessions_behind = serializers.IntegerField(
        allow_null=True, help_text="Sessions since the last bar; null where nothing newer can be fetched"
    )
    revisions = serializers.IntegerField(help_text="In the last 30 days")
    problems = serializers.ListField(child=serializers.CharField(), help_text=", ".join(health.PROBLEMS))
    can_refetch = serializers.BooleanField()


class SourceHealthSerializer(serializers.Serializer):
    """A source by network: whether it can be asked, and what it was asked for in the last 30 days."""

    source = serializers.CharField()
    label = serializers.CharField()
    has_key = serializers.BooleanField(help_text="There is a key, or none is needed")
    failing = serializers.CharField(allow_blank=True, help_text="What it said when it failed, within two minutes")
    limits = serializers.CharField(allow_blank=True, help_text="What the plan allows")
    left_pct = serializers.FloatField(allow_null=True, help_text="What is left of that for history")
    today = serializers.IntegerField(help_text="Requests of today, UTC")
    requests = serializers.IntegerField()
    errors = serializers.IntegerField()
    bars = serializers.IntegerField()
    hits = serializers.IntegerField(help_text="Ranges that the store answered alone")
    misses = serializers.IntegerField(help_text="Ranges for which it had to be asked")
    cost = serializers.DecimalField(max_digits=14, decimal_places=6, help_text="Of the requests, USD")
    plan_cost = serializers.DecimalField(max_digits=14, decimal_places=2, help_text="Of the plan, USD for 30 days")


class ProviderUsageSerializer(serializers.ModelSerializer):
    """One provider on one day (UTC)."""

    class Meta:
        model = ProviderUsage
        fields = ("day", "provider", "requests", "errors", "bars", "hits", "misses", "cost")
        read_only_fields = fields


class UsageQuerySerializer(QuerySerializer):
    provider = serializers.CharField(required=False, max_length=16)


class DisagreementSerializer(serializers.Serializer):
    """Daily closes of one symbol from two sources."""

    symbol = serializers.CharField()
    first = serializers.CharField(source="first.provider")
    second = serializers.CharField(source="second.provider")
    days = serializers.IntegerField(help_text="Days that both have")
    differing = serializers.IntegerField(help_text="Days whose closes differ by more than 0.5 %")
    max_diff_pct = serializers.FloatField()
    worst_day = serializers.DateField(allow_null=True)
    compared_at = serializers.DateTimeField()


class RevisionSerializer(serializers.ModelSerializer):
    """Stored bars that their source told otherwise later."""

    symbol = serializers.CharField(source="instrument.symbol")
    source = serializers.ChoiceField(source="instrument.source", choices=Source.values)
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES)
    kind = serializers.ChoiceField(choices=Revision.Kind.values)

    class Meta:
        model = Revision
        fields = (
            "symbol", "source", "timeframe", "kind", "noticed_at", "first_at", "last_at", "bars", "max_change_pct",
        )  # fmt: skip
        read_only_fields = fields


class ChoiceSerializer(serializers.ModelSerializer):
    """What `auto` chose last for a symbol and timeframe."""

    timeframe = serializers.ChoiceField(choices=TIMEFRAMES)
    source = serializers.CharField(allow_blank=True, help_text="Empty: none could answer")

    class Meta:
        model = SourceChoice
        fields = ("symbol", "timeframe", "source", "reason", "times", "chosen_at")
        read_only_fields = fields


class RefetchRequestSerializer(StrictSerializer):
    instrument = serializers.IntegerField(min_value=1, max_value=2**63 - 1, help_text="Its id")
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES)


class RefetchSerializer(serializers.ModelSerializer):
    """A series that is read anew."""

    symbol = serializers.CharField(source="instrument.symbol")
    source = serializers.ChoiceField(source="instrument.source", choices=Source.values)
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES)
    state = serializers.ChoiceField(choices=Refetch.State.values)

    class Meta:
        model = Refetch
        fields = (
            "id", "instrument", "symbol", "source", "timeframe", "state", "message", "added", "changed", "created_at",
            "started_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields


def _query(serializer: Any, request: Request) -> dict[str, Any]:
    reader = serializer(data=request.query_params)
    reader.is_valid(raise_exception=True)
    return reader.validated_data


class _Listed(ListAPIView):
    """Base of the lists: no rows while the schema is made."""

    def get_queryset(self) -> Any:
        return [] if getattr(self, "swagger_fake_view", False) else self.rows()

    def rows(self) -> Any:
        raise NotImplementedError


class SeriesHealthView(_Listed):
    """Stored series with their problems."""

    serializer_class = SeriesHealthSerializer

    def rows(self) -> list[health.SeriesHealth]:
        return health.series(self.request.user, **_query(SeriesHealthQuerySerializer, self.request))

    @extend_schema(operation_id="data_health", parameters=[SeriesHealthQuerySerializer])
    def get(self, request: Request) -> Response:
        """Gaps, jumps, staleness, revised history, disagreement with other sources, by symbol."""
        return super().get(request)


class SourcesView(_Listed):
    """Sources by network."""

    serializer_class = SourceHealthSerializer

    def rows(self) -> list[dict[str, Any]]:
        return health.sources(self.request.user)

    @extend_schema(operation_id="data_sources")
    def get(self, request: Request) -> Response:
        """Keys, budgets, failures, usage and cost of the last 30 days of each source."""
        return super().get(request)


class UsageView(_Listed):
    """Usage by day."""

    serializer_class = ProviderUsageSerializer

    def rows(self) -> QuerySet[ProviderUsage]:
        return health.usage_rows(**_query(UsageQuerySerializer, self.request))

    @extend_schema(operation_id="data_usage", parameters=[UsageQuerySerializer])
    def get(self, request: Request) -> Response:
        """Requests, errors, bars, cache hits and cost of each provider and day, newest first."""
        return super().get(request)


class DisagreementsView(_Listed):
    """Sources against each other."""

    serializer_class = DisagreementSerializer

    def rows(self) -> Any:
        return health.disagreements(self.request.user)

    @extend_schema(operation_id="data_disagreements")
    def get(self, request: Request) -> Response:
        """Daily closes of one symbol from two sources, compared whenever either changes; those that differ first."""
        return super().get(request)


class RevisionsView(_Listed):
    """Revised history."""

    serializer_class = RevisionSerializer

    def rows(self) -> QuerySet[Revision]:
        return health.revisions(self.request.user)

    @extend_schema(operation_id="data_revisions")
    def get(self, request: Request) -> Response:
        """Stored bars that came with other values later, newest first."""
        return super().get(request)


class ChoicesView(_Listed):
    """Choices of a source."""

    serializer_class = ChoiceSerializer

    def rows(self) -> QuerySet[SourceChoice]:
        return health.choices()

    @extend_schema(operation_id="data_choices")
    def get(self, request: Request) -> Response:
        """Which source `auto` chose for each symbol and timeframe, and why, newest first."""
        return super().get(request)


class RefetchesView(_Listed):
    """Reading anew."""

    serializer_class = RefetchSerializer

    def rows(self) -> QuerySet[Refetch]:
        return health.refetches(self.request.user)

    @extend_schema(operation_id="data_refetches")
    def get(self, request: Request) -> Response:
        """What you wanted to be read anew, newest first."""
        return super().get(request)

    @extend_schema(
        operation_id="data_refetch",
        request=RefetchRequestSerializer,
        responses={
            202: OpenApiResponse(RefetchSerializer, description="Queued; Location is its address"),
            **errors_for(404, 409, 429),
        },
    )
    def post(self, request: Request) -> Response:
        """Have a worker read a stored series of a source by network anew: what is missing is added, what was revised is
        replaced. Ask for it until it is done or failed."""
        reader = RefetchRequestSerializer(data=request.data)
        reader.is_valid(raise_exception=True)
        sent = reader.validated_data
        row = refetching.submit(request.user, sent["instrument"], sent["timeframe"])
        location = reverse("marketdata-api:refetch", args=[row.pk])
        answer = RefetchSerializer(row).data
        return Response(answer, status=status.HTTP_202_ACCEPTED, headers={"Location": location})


class RefetchView(APIView):
    """One reading anew."""

    @extend_schema(operation_id="data_refetch_detail", responses=RefetchSerializer)
    def get(self, request: Request, refetch_id: UUID) -> Response:
        """Waiting, being read, done or failed, with what came of it."""
        row = health.refetches(request.user).filter(pk=refetch_id).first()
        if row is None:
            raise NotFound("There is no such reading.")
        return Response(RefetchSerializer(row).data)
