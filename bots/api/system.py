"""REST route of operators: how the session hosts are."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bots.api.serializers.system import SystemSerializer
from bots.selectors.system import system
from tradingsite.lib.schema import errors_for


class System(APIView):
    """The session hosts."""

    permission_classes = [IsAdminUser]

    @extend_schema(operation_id="system_get", responses={200: SystemSerializer, **errors_for(403)})
    def get(self, request: Request) -> Response:
        """Each host, its latencies and what its machine has left; how many sessions wait. Operators only."""
        return Response(SystemSerializer(system()).data)
