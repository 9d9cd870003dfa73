"""Shapes of the market-data routes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from marketdata.adjust import ADJUSTMENTS
from marketdata.columns import TIMEFRAME_NS
from marketdata.models import Coverage, DataImport, Instrument
from marketdata.models.instrument import Source
from marketdata.zones import CALENDAR_ZONES, calendar_zone
from tradingsite.lib.fields import QuerySerializer, StrictSerializer
from tradingsite.lib.schema import FaultSerializer

TIMEFRAMES = list(TIMEFRAME_NS)
CALENDARS = list(CALENDAR_ZONES)
MAX_BARS = 5_000
DEFAULT_BARS = 500


@extend_schema_field({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]})
class MomentField(serializers.Field):
    """A date (its first moment in UTC; its last as an end) or a time with a zone, as an aware datetime in UTC."""

    default_error_messages = {
        "bad_time": "{text} is not a time. Write 2024-03-01 or 2024-03-01T14:30:00Z.",
        "naive_time": "{text} has no zone. End it with Z for UTC.",
        "out_of_range": "{text} is not between 1900 and 2200.",
    }

    def __init__(self, *, is_end: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.is_end = is_end

    def to_internal_value(self, data: str) -> datetime:
        text = repr(str(data)[:40])
        try:
            day = date.fromisoformat(data) if len(data) == 10 else None
            moment = None if day else parse_datetime(data)
        except ValueError:
            self.fail("bad_time", text=text)
        if day is not None:
            if not 1900 <= day.year < 2200:
                self.fail("out_of_range", text=text)
            return datetime.combine(day, time(), UTC) + timedelta(days=1 if self.is_end else 0)
        if moment is None:
            self.fail("bad_time", text=text)
        if moment.tzinfo is None:
            self.fail("naive_time", text=text)
        if not 1900 <= moment.year < 2200:
            self.fail("out_of_range", text=text)
        return moment.astimezone(UTC)

    def to_representation(self, value: datetime) -> str:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


class StatusQuerySerializer(QuerySerializer):
    calendar = serializers.ChoiceField(choices=CALENDARS, default="XNYS", help_text="Exchange calendar")
    at = MomentField(required=False, help_text="The moment asked about; without it, now")


class SessionSerializer(serializers.Serializer):
    """One regular session. `…_local` is the same moment on the exchange's clock."""

    date = serializers.DateField()
    open = serializers.DateTimeField()
    close = serializers.DateTimeField()
    open_local = serializers.DateTimeField()
    close_local = serializers.DateTimeField()
    early_close = serializers.BooleanField()


class MarketStatusSerializer(serializers.Serializer):
    """Whether an exchange is open. `session` is the one running, else the next; null for a market that never closes."""

    calendar = serializers.ChoiceField(choices=CALENDARS)
    zone = serializers.CharField(help_text="The exchange's IANA time zone")
    at = serializers.DateTimeField()
    at_local = serializers.DateTimeField(help_text="`at` on the exchange's clock")
    is_open = serializers.BooleanField()
    state = serializers.ChoiceField(choices=["open", "closed"])
    session = SessionSerializer(allow_null=True)
    next_open = serializers.DateTimeField(allow_null=True)
    next_close = serializers.DateTimeField(allow_null=True)
    seconds_to_change = serializers.IntegerField(
        allow_null=True, min_value=0, help_text="Until it opens, or closes; null when it never does"
    )


def status_body(status: Any) -> dict[str, Any]:
    """A `selectors.MarketStatus` as the body of the answer."""
    zone = calendar_zone(status.calendar)

    def utc(moment: datetime | None) -> str | None:
        return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")

    def local(moment: datetime) -> str:
        return moment.astimezone(zone).isoformat()

    session = None
    if status.session_open is not None:
        session = {
            "date": status.session_date.isoformat(),
            "open": utc(status.session_open),
            "close": utc(status.session_close),
            "open_local": local(status.session_open),
            "close_local": local(status.session_close),
            "early_close": status.early_close,
        }
    return {
        "calendar": status.calendar,
        "zone": status.zone,
        "at": utc(status.at),
        "at_local": local(status.at),
        "is_open": status.is_open,
        "state": "open" if status.is_open else "closed",
        "session": session,
        "next_open": utc(status.next_open),
        "next_close": utc(status.next_close),
        "seconds_to_change": status.seconds_to_change,
    }


class BarsQuerySerializer(QuerySerializer):
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES, default="1d")
    source = serializers.ChoiceField(choices=Source.values, required=False, help_text="Where the prices come from")
    adjustment = serializers.ChoiceField(choices=ADJUSTMENTS, default="split_dividend")
    start = MomentField(required=False, help_text="First moment; without it, the last bars before `end`")
    end = MomentField(is_end=True, required=False, help_text="A date is included, a time is not")
    limit = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, default=DEFAULT_BARS, help_text=f"More than {MAX_BARS} counts as {MAX_BARS}"
    )


class BarSerializer(serializers.Serializer):
    time = serializers.DateTimeField(help_text="Start of the bar, UTC; 00:00 of the trading day for daily bars")
    open = serializers.FloatField()
    high = serializers.FloatField()
    low = serializers.FloatField()
    close = serializers.FloatField()
    volume = serializers.FloatField()


class BarsSerializer(serializers.Serializer):
    """Bars of one instrument, oldest first. To go on, ask again with `start` = `next_start`."""

    symbol = serializers.CharField()
    source = serializers.ChoiceField(choices=Source.values)
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES)
    calendar = serializers.ChoiceField(choices=CALENDARS)
    currency = serializers.CharField()
    adjustment = serializers.ChoiceField(choices=ADJUSTMENTS)
    synthetic = serializers.BooleanField(help_text="Made up from a seed, never traded")
    count = serializers.IntegerField(min_value=0, max_value=MAX_BARS)
    next_start = serializers.DateTimeField(allow_null=True)
    bars = BarSerializer(many=True)


class InstrumentQuerySerializer(QuerySerializer):
    search = serializers.CharField(required=False, max_length=60, allow_blank=True, help_text="Part of symbol or name")
    source = serializers.ChoiceField(choices=Source.values, required=False)
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES, required=False, help_text="With stored bars of this length")


class CoverageSerializer(serializers.ModelSerializer):
    """One stored series."""

    provider = serializers.ChoiceField(choices=Source.values)
    symbol = serializers.CharField()
    synthetic = serializers.BooleanField(source="instrument.synthetic")
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES)
    complete_pct = serializers.FloatField(
        source="quality.complete_pct",
        default=None,
        allow_null=True,
        help_text="Bars present of those the exchange was open for",
    )

    class Meta:
        model = Coverage
        fields = (
            "provider", "symbol", "synthetic", "timeframe", "first_at", "last_at", "bars", "complete_pct",
            "content_hash", "hits", "misses", "updated_at",
        )  # fmt: skip
        read_only_fields = fields


class StoredSerializer(serializers.ModelSerializer):
    """A stored series, in the list of an instrument."""

    timeframe = serializers.ChoiceField(choices=TIMEFRAMES)

    class Meta:
        model = Coverage
        fields = ("timeframe", "first_at", "last_at", "bars")
        read_only_fields = fields


class InstrumentSerializer(serializers.ModelSerializer):
    """What can be tested and traded, and which bars of it are stored."""

    source = serializers.ChoiceField(choices=Source.values)
    tick_size = serializers.FloatField()
    lot_size = serializers.FloatField()
    private = serializers.SerializerMethodField(help_text="Your own import; nobody else sees it")
    coverage = StoredSerializer(source="coverages", many=True)

    class Meta:
        model = Instrument
        fields = (
            "id", "symbol", "name", "source", "venue", "calendar", "currency", "tick_size", "lot_size", "fractionable",
            "synthetic", "private", "notes", "coverage",
        )  # fmt: skip
        read_only_fields = fields

    def get_private(self, row: Instrument) -> bool:
        return row.owner_id is not None


class CoverageQuerySerializer(QuerySerializer):
    symbol = serializers.CharField(required=False, max_length=32)
    source = serializers.ChoiceField(choices=Source.values, required=False)


class GapsQuerySerializer(QuerySerializer):
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES, default="1d")
    source = serializers.ChoiceField(choices=Source.values, required=False)


class GapSerializer(serializers.Serializer):
    first = serializers.DateTimeField(help_text="Start of the first missing bar")
    last = serializers.DateTimeField(help_text="Start of the last missing bar")
    missing = serializers.IntegerField(min_value=1)


class ShortSessionSerializer(serializers.Serializer):
    day = serializers.DateField()
    present = serializers.IntegerField(min_value=0)
    expected = serializers.IntegerField(min_value=1)


class JumpSerializer(serializers.Serializer):
    """A close-to-close move above 40%. Never removed: real prices do that."""

    at = serializers.DateTimeField()
    return_pct = serializers.FloatField()
    explained = serializers.CharField(allow_blank=True, help_text="The corporate action of that day, if one is known")
    looks_like = serializers.CharField(allow_blank=True, help_text="A split that no row tells of, if the size fits one")


class GapsSerializer(serializers.Serializer):
    """Missing bars against the exchange's calendar, as of the last write. Null: the calendar cannot tell."""

    symbol = serializers.CharField()
    source = serializers.ChoiceField(choices=Source.values)
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES)
    calendar = serializers.ChoiceField(choices=CALENDARS)
    expected = serializers.IntegerField(allow_null=True)
    present = serializers.IntegerField(allow_null=True)
    missing = serializers.IntegerField(allow_null=True)
    outside = serializers.IntegerField(allow_null=True, help_text="Bars outside regular sessions")
    complete_pct = serializers.FloatField(allow_null=True)
    gap_count = serializers.IntegerField(allow_null=True)
    gaps = GapSerializer(many=True, help_text="The longest hundred")
    short_session_count = serializers.IntegerField(allow_null=True)
    short_sessions = ShortSessionSerializer(many=True, help_text="The hundred that lack most")
    jumps = JumpSerializer(many=True)
    zero_volume = serializers.IntegerField()
    note = serializers.CharField(allow_blank=True)


def gaps_body(row: Coverage) -> dict[str, Any]:
    """The quality report of a stored series as the body of the answer."""
    report = row.quality
    counts = ("expected", "present", "missing", "outside", "complete_pct", "gap_count", "short_session_count")
    return {
        "symbol": row.symbol,
        "source": row.provider,
        "timeframe": row.timeframe,
        "calendar": row.instrument.calendar,
        **{name: report.get(name) for name in counts},
        "gaps": report.get("gaps", []),
        "short_sessions": report.get("short_sessions", []),
        "jumps": report.get("jumps", []),
        "zero_volume": report.get("zero_volume", 0),
        "note": report.get("note", ""),
    }


class ImportRequestSerializer(StrictSerializer):
    """A file of bars with what it does not say itself."""

    file = serializers.FileField(allow_empty_file=True, max_length=None, help_text="CSV (UTF-8, commas) or Parquet")
    symbol = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=32,
        help_text="Needed when the file has no symbol column",
    )
    timeframe = serializers.ChoiceField(
        choices=TIMEFRAMES, required=False, allow_blank=True, default="", help_text="Without it, found from the times"
    )
    calendar = serializers.ChoiceField(choices=CALENDARS, default="XNYS", help_text="Exchange hours")
    zone = serializers.CharField(default="UTC", max_length=64, help_text="IANA zone of times that carry none")


class ImportedSerializer(serializers.Serializer):
    """What became of one symbol of the file."""

    symbol = serializers.CharField()
    added = serializers.IntegerField()
    changed = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    total = serializers.IntegerField(help_text="Bars held now")
    missing = serializers.IntegerField(allow_null=True)
    outside = serializers.IntegerField(allow_null=True)


class ImportResultSerializer(serializers.Serializer):
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES)
    rows = serializers.IntegerField()
    notes = serializers.ListField(child=serializers.CharField())
    symbols = ImportedSerializer(many=True)


class ImportSerializer(serializers.ModelSerializer):
    """An import and its state. `faults`: the first ten; nothing of a refused file was imported."""

    state = serializers.ChoiceField(choices=DataImport.State.values)
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES, allow_blank=True, help_text="Empty: found from the times")
    faults = FaultSerializer(many=True)
    result = ImportResultSerializer(allow_null=True, source="shown_result")

    class Meta:
        model = DataImport
        fields = (
            "id", "filename", "size_bytes", "symbol", "timeframe", "calendar", "zone", "state", "faults", "result",
            "created_at", "started_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields
