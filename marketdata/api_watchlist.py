"""REST route of the watchlist."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketdata import selectors
from marketdata.services import watchlist
from tradingsite.lib.fields import StrictSerializer


class WatchlistRequestSerializer(StrictSerializer):
    """The whole list, as it shall be."""

    symbols = serializers.ListField(
        child=serializers.RegexField(watchlist.SYMBOL, max_length=24), max_length=watchlist.MOST, allow_empty=True
    )


class WatchedSerializer(serializers.Serializer):
    """A symbol and the newest price that is stored of it; nulls where there is none."""

    symbol = serializers.CharField()
    name = serializers.CharField(help_text="Empty where the symbol is not known here")
    instrument = serializers.IntegerField(allow_null=True, help_text="Its id at /api/data/instruments")
    synthetic = serializers.BooleanField(help_text="Its prices are made up")
    last_px = serializers.FloatField(allow_null=True, help_text="The newest stored close")
    change_pct = serializers.FloatField(allow_null=True, help_text="Against the close before it")
    timeframe = serializers.CharField(help_text="Of the bar; empty without one")
    last_at = serializers.DateTimeField(allow_null=True, help_text="Start of the bar")
    is_away = serializers.BooleanField(help_text="The price is stored where nobody answers right now")


class WatchlistSerializer(serializers.Serializer):
    """The caller's watchlist."""

    symbols = WatchedSerializer(many=True)


class WatchlistView(APIView):
    """The symbols that the caller keeps an eye on."""

    @extend_schema(operation_id="watchlist_get", responses=WatchlistSerializer)
    def get(self, request: Request) -> Response:
        """Each symbol with its newest stored price, in the caller's order."""
        return Response(WatchlistSerializer({"symbols": selectors.watched(request.user)}).data)

    @extend_schema(operation_id="watchlist_put", request=WatchlistRequestSerializer, responses=WatchlistSerializer)
    def put(self, request: Request) -> Response:
        """Replace the list."""
        sent = WatchlistRequestSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        watchlist.replace(request.user, sent.validated_data["symbols"])
        return self.get(request)
