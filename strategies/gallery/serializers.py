"""Shapes of the gallery's routes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from marketdata.models.instrument import Source
from strategies.gallery import forms, markets, selectors, shown
from strategies.gallery.figures import MIN_TRADES, judged_part
from strategies.gallery.models import DESCRIPTION_LENGTH, Publication, Rating
from strategies.gallery.opinions import MAX_STARS, MIN_STARS, TEXT_LENGTH
from tradingsite.lib.fields import QuerySerializer, StrictCharField, StrictIntegerField, StrictSerializer

KINDS = [kind for kind, _ in shown.kinds()]


class MarketSerializer(serializers.Serializer):
    """The prices that figures are computed on."""

    source = serializers.CharField()
    symbols = serializers.ListField(child=serializers.CharField())
    timeframe = serializers.CharField()
    own_data = serializers.BooleanField(help_text="Its owner's own prices: nobody else can check")


class PartSerializer(serializers.Serializer):
    """Figures of one part in time. Percent where the name says so; conventions as `GET /api/backtest/strategies`."""

    part = serializers.ChoiceField(
        choices=list(shown.PARTS), help_text="in_sample proves nothing; held_out its author may have seen; "
        "out_of_sample came after its last change"
    )  # fmt: skip
    first_bar = serializers.DateTimeField()
    last_bar = serializers.DateTimeField()
    bars = serializers.IntegerField()
    total_return_pct = serializers.FloatField()
    benchmark_return_pct = serializers.FloatField(allow_null=True, help_text="The same symbols, bought and held")
    cagr_pct = serializers.FloatField(allow_null=True)
    sharpe = serializers.FloatField(allow_null=True)
    max_drawdown_pct = serializers.FloatField()
    trade_count = serializers.IntegerField()
    win_rate_pct = serializers.FloatField(allow_null=True)
    profit_factor = serializers.FloatField(allow_null=True)
    exposure_pct = serializers.FloatField(allow_null=True, help_text="Bars with a position, of all bars")
    average_exposure_pct = serializers.FloatField(allow_null=True)
    total_costs = serializers.FloatField()
    too_few_trades = serializers.SerializerMethodField(help_text=f"Fewer than {MIN_TRADES}: they tell nothing")

    def get_too_few_trades(self, part: dict[str, Any]) -> bool:
        return bool(part["trade_count"] < MIN_TRADES)


class FiguresSerializer(serializers.Serializer):
    """What the platform computed. `judged`: the part that lists sort by; null while there are no figures."""

    state = serializers.ChoiceField(choices=Publication.State.choices)
    problem = serializers.CharField(help_text="Why there are none; empty otherwise")
    stale = serializers.BooleanField(help_text="They are of an earlier version")
    measured_at = serializers.DateTimeField(allow_null=True)
    version = serializers.CharField()
    data_hash = serializers.CharField()
    synthetic = serializers.BooleanField(help_text="Computed on made-up prices")
    judged = serializers.CharField(allow_null=True)
    parts = PartSerializer(many=True)


class OpinionsSerializer(serializers.ModelSerializer):
    """What a public strategy looks like in the gallery: its figures and what others think of it."""

    average_stars = serializers.FloatField(allow_null=True, help_text="1 to 5; null while nobody has rated it")
    rating_count = serializers.IntegerField()
    market = serializers.SerializerMethodField()
    figures = serializers.SerializerMethodField()

    class Meta:
        model = Publication
        fields = ("id", "published_at", "choice_since", "average_stars", "rating_count", "copies", "market", "figures")
        read_only_fields = fields

    @extend_schema_field(MarketSerializer())
    def get_market(self, row: Publication) -> dict[str, Any]:
        return {"source": row.source, "symbols": row.symbols, "timeframe": row.timeframe, "own_data": row.own_data}

    @extend_schema_field(FiguresSerializer())
    def get_figures(self, row: Publication) -> dict[str, Any]:
        judged = judged_part(row.figures)
        told = {
            "state": row.state,
            "problem": row.problem,
            "stale": row.is_stale,
            "measured_at": row.measured_at,
            "version": row.figures_version,
            "data_hash": row.data_hash,
            "synthetic": bool(row.figures.get("synthetic")),
            "judged": judged["part"] if judged else None,
            "parts": row.figures.get("parts", []),
        }
        return FiguresSerializer(told).data


class PublicationSerializer(OpinionsSerializer):
    """A strategy in the gallery, whether made from the catalogue or of conditions."""

    owner = serializers.CharField(source="owner.username")
    is_own = serializers.SerializerMethodField()
    is_listed = serializers.BooleanField(source="is_shown", help_text="Whether others see it")
    strategy_id = serializers.IntegerField(allow_null=True, help_text="Its saved strategy, for /api/strategies/{id}")
    custom_strategy_id = serializers.IntegerField(allow_null=True)

    class Meta(OpinionsSerializer.Meta):
        fields = (
            "id", "name", "description", "kind", "owner", "is_own", "is_listed", "strategy_id", "custom_strategy_id",
            *OpinionsSerializer.Meta.fields[1:],
        )  # fmt: skip
        read_only_fields = fields

    def get_is_own(self, row: Publication) -> bool:
        return bool(row.owner_id == self.context["request"].user.pk)


class PublishRequestSerializer(StrictSerializer):
    """What it is measured on. Left out: as before, the first time the sample's symbols, daily."""

    description = StrictCharField(
        max_length=DESCRIPTION_LENGTH, required=False, help_text="Needed unless the strategy has one"
    )
    source = serializers.ChoiceField(choices=Source.choices, required=False)
    symbols = serializers.ListField(
        child=StrictCharField(max_length=32), required=False, min_length=1, max_length=markets.MAX_SYMBOLS
    )
    timeframe = serializers.ChoiceField(choices=markets.TIMEFRAMES, required=False)


class RateRequestSerializer(StrictSerializer):
    """A rating."""

    stars = StrictIntegerField(min_value=MIN_STARS, max_value=MAX_STARS)
    comment = StrictCharField(max_length=TEXT_LENGTH, required=False, allow_blank=True)


class ReportRequestSerializer(StrictSerializer):
    """A report to the operators."""

    reason = StrictCharField(max_length=TEXT_LENGTH)


class RatingSerializer(serializers.ModelSerializer):
    """A rating as everybody sees it."""

    user = serializers.CharField(source="user.username")
    of_earlier_version = serializers.SerializerMethodField(help_text="The strategy has changed since")

    class Meta:
        model = Rating
        fields = ("user", "stars", "comment", "of_earlier_version", "created_at", "updated_at")
        read_only_fields = fields

    def get_of_earlier_version(self, rating: Rating) -> bool:
        return bool(rating.choice != self.context["choice"])


class GalleryQuerySerializer(QuerySerializer):
    """Filters of the gallery."""

    q = serializers.CharField(required=False, max_length=60, help_text="In name, description or author")
    kind = serializers.ChoiceField(choices=KINDS, required=False)
    market = serializers.ChoiceField(choices=Source.choices, required=False, help_text="Source of the prices")
    stars = serializers.ChoiceField(
        choices=[number for number, _ in forms.STARS], required=False, help_text="Average at least"
    )
    sort = serializers.ChoiceField(choices=list(selectors.SORTS), required=False, default=selectors.DEFAULT_SORT)
