"""Shapes of the reconciliation inbox, of sub-accounts, and of what moves on accounts at brokers."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bots.api.serializers.fields import SYMBOL, DecimalText, ObjectField
from bots.models import BookingRequest, BrokerExecution, CashFlow, Discrepancy
from bots.selectors import inbox
from tradingsite.lib.fields import QuerySerializer, StrictCharField, StrictIntegerField, StrictSerializer

_AMOUNT = r"^-?[0-9]{1,14}(\.[0-9]{1,12})?$"


@extend_schema_field({"type": "string", "format": "decimal", "pattern": _AMOUNT})
class DecimalBody(StrictCharField):
    """A Decimal as plain digits in a text: a JSON number would lose some."""

    default_error_messages = {"not_a_number": 'Must be digits in a text, as "12.5".'}

    def to_internal_value(self, data: Any) -> Decimal:  # type: ignore[override]
        text = super().to_internal_value(data)
        if not re.fullmatch(_AMOUNT, text):
            self.fail("not_a_number")
        return Decimal(text)


class InboxFilterSerializer(QuerySerializer):
    state = serializers.ChoiceField(
        choices=("waiting", "all"), required=False, default="waiting",
        help_text="waiting: open, or decided and not done yet",
    )  # fmt: skip


class ExecutionFilterSerializer(QuerySerializer):
    external = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="true: only those that no session ordered"
    )


class FlowFilterSerializer(QuerySerializer):
    kind = serializers.ChoiceField(choices=CashFlow.Kind.choices, required=False)


class DiscrepancySerializer(serializers.ModelSerializer):
    """Something in which the venue and our books differ. ours, theirs: signed units, or money where there is no symbol.
    session: whose book it breaks, or who adopted it. may_adopt: ids of the sessions that can."""

    ours = DecimalText()
    theirs = DecimalText()
    px = DecimalText(allow_null=True, help_text="Average price of what is only theirs")
    breaks = serializers.SerializerMethodField(help_text="Ids of the sessions that were halted because of it")
    refused = serializers.SerializerMethodField(help_text="Why the last decision could not be carried out; else empty")
    may_adopt = serializers.SerializerMethodField()

    class Meta:
        model = Discrepancy
        fields = (
            "id", "broker_account", "kind", "symbol", "ours", "theirs", "px", "text", "state", "session", "breaks",
            "refused", "may_adopt", "client_order_id", "found_at", "seen_at", "decided_at", "ended_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"type": "array", "items": {"type": "integer"}})
    def get_breaks(self, row: Discrepancy) -> list[int]:
        return list(row.detail.get("breaks", []))

    def get_refused(self, row: Discrepancy) -> str:
        return str(row.detail.get("refused", ""))

    @extend_schema_field({"type": "array", "items": {"type": "integer"}})
    def get_may_adopt(self, row: Discrepancy) -> list[int]:
        return [session.pk for session in inbox.adopters(row)] if row.state == Discrepancy.State.OPEN else []


class DecisionSerializer(StrictSerializer):
    theirs = DecimalBody(
        required=False,
        help_text="What the venue had when you looked; where it has changed since, 409 and nothing is done",
    )  # fmt: skip


class AdoptSerializer(DecisionSerializer):
    session_id = StrictIntegerField(min_value=1, help_text="Who takes the units over: one of `may_adopt`")


class _OfSymbolSerializer(StrictSerializer):
    symbol = StrictCharField(max_length=24)

    def validate_symbol(self, symbol: str) -> str:
        if not re.fullmatch(SYMBOL, symbol):
            raise serializers.ValidationError("This is no symbol.", code="bad_symbol")
        return symbol


class HandOverSerializer(_OfSymbolSerializer):
    qty = DecimalBody(help_text="Signed units of those that are external")
    session_id = StrictIntegerField(min_value=1)


class GiveBackSerializer(_OfSymbolSerializer):
    qty = DecimalBody(required=False, help_text="Signed units of those that it holds; left out: all of them")


class CashMoveSerializer(StrictSerializer):
    amount = DecimalBody(help_text="Above 0 to the session, below 0 back to the account")


class BookingSerializer(serializers.ModelSerializer):
    """Something that the session's host books within a second; done_at null: not yet. refused: why it did not."""

    qty = DecimalText(allow_null=True)
    px = DecimalText(allow_null=True)
    amount = DecimalText()

    class Meta:
        model = BookingRequest
        fields = (
            "id", "session", "kind", "symbol", "qty", "px", "amount", "is_flow", "text", "requested_at", "done_at",
            "refused",
        )  # fmt: skip
        read_only_fields = fields


class BrokerExecutionSerializer(serializers.ModelSerializer):
    """One execution as the venue told it. session null: nobody here ordered it (external)."""

    qty = DecimalText()
    px = DecimalText()
    fee = DecimalText(help_text="In fee_asset")

    class Meta:
        model = BrokerExecution
        fields = (
            "id", "execution_id", "session", "order", "broker_order_id", "client_order_id", "symbol", "side", "qty",
            "px", "fee", "fee_asset", "executed_at", "seen_at",
        )  # fmt: skip
        read_only_fields = fields


class FlowPartSerializer(serializers.Serializer):
    session = serializers.IntegerField(source="session_id")
    amount = DecimalText()


class CashFlowSerializer(serializers.ModelSerializer):
    """Money that moved by another way than a trade. parts: what sessions have booked of it."""

    amount = DecimalText()
    equity_before = DecimalText(allow_null=True)
    parts = FlowPartSerializer(source="adjustments", many=True)

    class Meta:
        model = CashFlow
        fields = ("id", "ref", "kind", "amount", "currency", "symbol", "text", "equity_before", "at", "parts")
        read_only_fields = fields


class ShareSerializer(serializers.Serializer):
    session = serializers.IntegerField(source="session.pk")
    name = serializers.CharField(source="session")
    state = serializers.CharField(source="session.state")
    cash = DecimalText()
    reserved = DecimalText(help_text="Cash, and what its open positions cost")
    units = ObjectField(help_text="Signed units by symbol")

    def to_representation(self, share: Any) -> dict[str, Any]:
        shown = super().to_representation(share)
        shown["units"] = {symbol: f"{qty.normalize():f}" for symbol, qty in share.units.items()}
        return shown


class SymbolSumSerializer(serializers.Serializer):
    symbol = serializers.CharField()
    sessions = DecimalText(help_text="Of all sessions together, signed")
    external = DecimalText(help_text="Of nobody here")
    undecided = DecimalText(help_text="Open in the inbox")
    broker = DecimalText(help_text="What the venue said last")
    agrees = serializers.BooleanField()


class ReturnsSerializer(serializers.Serializer):
    """time_weighted_pct: over the whole time; money_weighted_pct: a year. null where there is none."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    start = DecimalText()
    end = DecimalText()
    flows = serializers.IntegerField()
    net_flow = DecimalText()
    time_weighted_pct = serializers.FloatField(allow_null=True)
    money_weighted_pct = serializers.FloatField(allow_null=True)


class SubAccountsSerializer(serializers.Serializer):
    """An account as the sum of its parts."""

    shares = ShareSerializer(many=True)
    symbols = SymbolSumSerializer(many=True)
    cash = DecimalText(allow_null=True)
    free = DecimalText(allow_null=True, help_text="Cash of no session; null: the account was not looked at yet")
    agrees = serializers.BooleanField()
    seen_at = serializers.DateTimeField(allow_null=True)
    returns = ReturnsSerializer(allow_null=True)
