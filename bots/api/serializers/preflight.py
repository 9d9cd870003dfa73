"""JSON of an order that is looked at before it is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from engine.types import ORDER_TYPE_NAMES, TIF_NAMES
from tradingsite.lib.fields import StrictSerializer


def _figure(**options: Any) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=28, decimal_places=12, normalize_output=True, **options)


def _price() -> serializers.DecimalField:
    return _figure(required=False, allow_null=True, default=None)


class PreflightRequestSerializer(StrictSerializer):
    symbol = serializers.CharField(max_length=24)
    side = serializers.ChoiceField(["BUY", "SELL"])
    kind = serializers.ChoiceField(ORDER_TYPE_NAMES)
    time_in_force = serializers.ChoiceField(TIF_NAMES, default="day")
    qty = _figure(min_value=Decimal(0))
    limit_px = _price()
    stop_px = _price()
    trail_px = _price()
    trail_pct = _price()
    extended_hours = serializers.BooleanField(default=False)
    order_class = serializers.ChoiceField(["simple", "bracket", "oco", "oto"], default="simple")
    take_profit = _price()
    stop_loss = _price()
    stop_loss_limit = _price()


class ProblemSerializer(serializers.Serializer):
    code = serializers.CharField(help_text="One word for the rule: price_step, lot_step, min_notional, …")
    text = serializers.CharField(help_text="What is wrong, and what to do")
    field = serializers.CharField(help_text="Which field of the order it is about")
    nearest = _figure(allow_null=True, help_text="The nearest value that the venue takes")
    blocks = serializers.BooleanField(help_text="false: the order is taken, though not as one might think")


class PreflightSerializer(serializers.Serializer):
    accepted = serializers.BooleanField(help_text="Nothing is known that the venue would refuse it for")
    last_px = _figure(allow_null=True, help_text="The last price at the venue, where it tells")
    problems = ProblemSerializer(many=True)
