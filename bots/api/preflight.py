"""REST: an order looked at before it is sent."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bots.api.serializers.preflight import PreflightRequestSerializer, PreflightSerializer
from bots.services import preflight
from tradingsite.lib.schema import errors_for


class Preflight(APIView):
    """Whether a broker would take an order."""

    @extend_schema(
        tags=["broker accounts"],
        operation_id="broker_accounts_preflight",
        request=PreflightRequestSerializer,
        responses={200: PreflightSerializer, **errors_for(409, 503)},
    )
    def post(self, request: Request, account_id: int) -> Response:
        """Every rule of the venue that it would break now, with the nearest value that is taken. Nothing is sent."""
        serializer = PreflightRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(PreflightSerializer(preflight.ask(request.user, account_id, serializer.validated_data)).data)
