"""What the OpenAPI document says beyond the views' own words: error bodies, strict objects.

Every operation is given the errors that its shape implies (a path parameter can miss, a body can be malformed), so a
view names only what is particular to it: ``@extend_schema(responses={202: …, **errors_for(409, 422)})``.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import append_meta
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from tradingsite.lib.fields import RefuseUnknown


class FaultSerializer(serializers.Serializer):
    """One thing wrong with an input."""

    path = serializers.CharField(help_text="Where it stands, as sent: strategy_parameters.window, symbols[2]")
    code = serializers.CharField(help_text="A stable word for programs: out_of_range, unknown_field, …")
    message = serializers.CharField(help_text="What is wrong")
    hint = serializers.CharField(help_text="What to do about it; may be empty")


class ErrorSerializer(serializers.Serializer):
    """The body of every error answer."""

    code = serializers.CharField(help_text="A stable word for programs")
    message = serializers.CharField(help_text="What happened, in plain words")
    errors = FaultSerializer(many=True)
    request_id = serializers.CharField(help_text="Name it in a report; the log has it too")


class QuotaErrorSerializer(ErrorSerializer):
    """403: not allowed, or a limit of the tier is reached; only then the fields from `limit` on are there."""

    limit = serializers.CharField(required=False)
    current = serializers.IntegerField(required=False)
    maximum = serializers.IntegerField(required=False)
    tier = serializers.CharField(required=False)
    active_session_ids = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="When the limit is that of trading sessions"
    )


class RateErrorSerializer(ErrorSerializer):
    """429: too many requests or tries."""

    retry_after = serializers.IntegerField(required=False, help_text="Seconds; also in the Retry-After header")


_MEANINGS = {
    400: "The input is wrong; `errors` says where and why",
    401: "No valid login or access token",
    403: "Not allowed, or a limit of the tier is reached (`quota_exceeded`)",
    404: "No such object, or none of yours",
    406: "The Accept header leaves no media type that this route answers in",
    409: "The object's state does not allow this now",
    413: "The body is too large",
    415: "The body's media type is not taken here",
    422: "Well-formed, but it makes no sense or needs to be confirmed",
    429: "Too many requests or tries; Retry-After says when to come back",
    503: "Something this needs does not answer right now; nothing was changed",
}


def errors_for(*statuses: int) -> dict[int, OpenApiResponse]:
    """The documented responses for error statuses, to be merged into a view's `responses`."""
    kinds: dict[int, type[serializers.Serializer]] = {403: QuotaErrorSerializer, 429: RateErrorSerializer}
    return {
        status: OpenApiResponse(kinds.get(status, ErrorSerializer), description=_MEANINGS[status])
        for status in statuses
    }


class DocumentedErrors(AutoSchema):
    """The site's DEFAULT_SCHEMA_CLASS."""

    def _get_response_bodies(self, direction: str = "response") -> dict[str, Any]:
        documented = super()._get_response_bodies(direction)
        if direction != "response":
            return documented
        implied = {400, 406, 429, 503}
        if self.get_auth():
            implied |= {401, 403}
        if "{" in self.path:
            implied.add(404)
        if self.method in ("POST", "PUT", "PATCH"):
            implied |= {413, 415}
        for status, response in errors_for(*sorted(implied)).items():
            documented.setdefault(
                str(status), self._get_response_for_code(response, str(status), ["application/json"], direction)
            )
        return dict(sorted(documented.items()))


class RefusesUnknownFields(OpenApiSerializerExtension):
    """A strict serializer's request object allows no further properties, and the document says so."""

    target_class = RefuseUnknown
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return append_meta(schema, {"additionalProperties": False}) if direction == "request" else schema
