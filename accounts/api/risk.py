"""/api/risk/: the limits over all of the caller's bots, and their kill switch."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import selectors
from accounts.models import RiskEnvelope, User
from accounts.serializers.risk import EnvelopeRequestSerializer, EnvelopeSerializer, KillSwitchRequestSerializer
from accounts.services import risk, stepup


class Envelope(APIView):
    @extend_schema(tags=["risk"], responses=EnvelopeSerializer)
    def get(self, request: Request) -> Response:
        """The limits over all of the caller's bots."""
        return _answer(request.user, selectors.risk_envelope(request.user))

    @extend_schema(tags=["risk"], request=EnvelopeRequestSerializer, responses=EnvelopeSerializer)
    def put(self, request: Request) -> Response:
        """Set limits. Running sessions keep to them from their next decision on. Who has an account of real money
        sends their password with a limit that is raised or taken away."""
        sent = EnvelopeRequestSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        values = dict(sent.validated_data)
        password = values.pop("password", "")
        if risk.loosens(request.user, values):
            stepup.require(request, password, what="raising a limit over real money")
        return _answer(request.user, risk.set_envelope(request.user, values))


class KillSwitch(APIView):
    @extend_schema(tags=["risk"], request=KillSwitchRequestSerializer, responses=EnvelopeSerializer)
    def post(self, request: Request) -> Response:
        """Stop all entries of the caller's bots, or allow them again. Exits go on either way."""
        sent = KillSwitchRequestSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        return _answer(request.user, risk.throw_kill_switch(request.user, **sent.validated_data))


def _answer(user: User, envelope: RiskEnvelope) -> Response:
    envelope.entries_blocked = selectors.entries_blocked(user)  # type: ignore[attr-defined]
    return Response(EnvelopeSerializer(envelope).data)
