"""Shapes of what operators see of session hosts."""

from __future__ import annotations

from rest_framework import serializers

from bots.api.serializers.fields import ObjectField


class HostSerializer(serializers.Serializer):
    """A session host and what it measures of itself."""

    name = serializers.CharField()
    started_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField()
    alive = serializers.BooleanField(help_text="Seen within the last 30 s")
    sessions = serializers.IntegerField()
    stats = ObjectField(
        help_text="latency_ms: {signal, intent (bar close to the order's row), ack (to the venue's word), booked (fill "
        "to ledger)}, each {p50, p95, p99, n} over its last 1000; sessions_ms: the same by session, over its last 200; "
        "orders_per_s, fills_per_s, messages_per_s over the last minute; machine: {memory, cpu, disk, network}"
    )


class SystemSerializer(serializers.Serializer):
    """Session hosts, and the sessions that they should run."""

    hosts = HostSerializer(many=True)
    waiting = serializers.IntegerField(help_text="Sessions that are to run and that no host holds")
    states = ObjectField(help_text="How many sessions are in each state")
