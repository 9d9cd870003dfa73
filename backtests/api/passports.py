"""REST routes of robustness passports: ask for one, watch it, read it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backtests.api.serializers import JOB_FIELDS, ObjectField
from backtests.models import Passport
from backtests.proof import selectors, services
from backtests.proof.findings import VERDICTS
from tradingsite.lib.asking import Listing, body, location, query
from tradingsite.lib.fields import QuerySerializer, StrictSerializer
from tradingsite.lib.schema import errors_for

_LOCATION = location("the passport", 202)


class FindingSerializer(serializers.Serializer[Any]):
    """One test."""

    name = serializers.CharField()
    label = serializers.CharField()
    verdict = serializers.ChoiceField(choices=VERDICTS)
    figure = serializers.FloatField(allow_null=True, help_text="null: nothing could be measured")
    unit = serializers.CharField(help_text="ratio, pct, probability or p_value")
    limits = serializers.CharField(help_text="What passes and what fails")
    meaning = serializers.CharField(help_text="In a sentence")
    chart = ObjectField()
    details = ObjectField()


class PassportListSerializer(serializers.ModelSerializer[Passport]):
    """One row of a list."""

    symbols = serializers.ListField(child=serializers.CharField())
    backtest_id = serializers.UUIDField(allow_null=True, help_text="null: it was deleted since")

    class Meta:
        model = Passport
        fields = (
            "id",
            "backtest_id",
            "state",
            "verdict",
            "strategy",
            "strategy_label",
            "saved_strategy_id",
            "symbols",
            "timeframe",
            "trials",
            "synthetic",
            "runs_done",
            "runs_total",
            *JOB_FIELDS,
        )
        read_only_fields = fields


class PassportSerializer(PassportListSerializer):
    """One passport, whole: what it ran on, what it found, and whether it still holds."""

    config = ObjectField(help_text="The request that was examined")
    findings = serializers.SerializerMethodField(help_text="Empty until it is done")
    outdated = serializers.SerializerMethodField(help_text="Why it no longer holds; empty while it does")
    data_moved = serializers.SerializerMethodField(help_text="Whether the stored prices changed or went on since")

    class Meta(PassportListSerializer.Meta):
        fields = (
            *PassportListSerializer.Meta.fields,
            "config",
            "seed",
            "strategy_version",
            "engine_version",
            "proof_version",
            "data_hash",
            "result_hash",
            "findings",
            "outdated",
            "data_moved",
        )
        read_only_fields = fields

    @extend_schema_field(FindingSerializer(many=True))
    def get_findings(self, passport: Passport) -> list[dict[str, Any]]:
        return passport.document["findings"] if passport.document else []

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def get_outdated(self, passport: Passport) -> list[str]:
        return selectors.outdated(passport) if passport.state == Passport.State.DONE else []

    @extend_schema_field({"type": "boolean"})
    def get_data_moved(self, passport: Passport) -> bool:
        return selectors.data_moved(passport)


class PassportRequestSerializer(StrictSerializer):
    backtest_id = serializers.UUIDField(help_text="A finished backtest of yours: what it ran is examined")


class PassportFilterSerializer(QuerySerializer):
    backtest_id = serializers.UUIDField(required=False)
    saved_strategy_id = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    verdict = serializers.ChoiceField(choices=Passport.Verdict.choices, required=False)


class Passports(Listing):
    """Your robustness passports, newest first."""

    serializer_class = PassportListSerializer

    @extend_schema(operation_id="passports_list", parameters=[PassportFilterSerializer])
    def get(self, request: Request) -> Response:
        return super().get(request)

    def rows(self) -> Any:
        return selectors.for_user(self.request.user).filter(**query(PassportFilterSerializer, self.request))

    @extend_schema(
        operation_id="passports_create",
        parameters=[_LOCATION],
        request=PassportRequestSerializer,
        responses={202: PassportSerializer, **errors_for(404, 409, 422)},
    )
    def post(self, request: Request) -> Response:
        """Have what a finished backtest ran examined; the one that waits or runs for it already, if there is one."""
        passport = services.request(request.user, body(PassportRequestSerializer, request)["backtest_id"])
        location = reverse("backtests-api:passport", args=[passport.pk])
        shown = PassportSerializer(passport).data
        return Response(shown, status=status.HTTP_202_ACCEPTED, headers={"Location": location})


class PassportDetail(APIView):
    """One robustness passport."""

    @extend_schema(operation_id="passports_get", responses={200: PassportSerializer})
    def get(self, request: Request, passport_id: UUID) -> Response:
        return Response(PassportSerializer(selectors.get(request.user, passport_id)).data)

    @extend_schema(operation_id="passports_delete", responses={204: None})
    def delete(self, request: Request, passport_id: UUID) -> Response:
        """Delete it; running, it is stopped. What was tried stays counted."""
        services.remove(request.user, passport_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class CancelPassport(APIView):
    """Stop a passport."""

    @extend_schema(operation_id="passports_cancel", request=None, responses={200: PassportSerializer})
    def post(self, request: Request, passport_id: UUID) -> Response:
        """At once while it waits, within about a second while it runs. One that is over stays as it is."""
        return Response(PassportSerializer(services.cancel(request.user, passport_id)).data)
