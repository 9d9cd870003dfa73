"""Shapes of bot templates."""

from __future__ import annotations

from rest_framework import serializers

from bots.api.serializers.fields import BIGGEST_ID, ObjectField
from bots.selectors import templates as reads
from bots.services import bot_requests
from bots.services.templates import WORDS
from bots.templates_of_bots import RISKS
from tradingsite.lib.fields import (
    QuerySerializer,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictSerializer,
)


class TemplateSerializer(serializers.Serializer):
    """A ready-made bot, one of your own templates, or one that somebody shares."""

    slug = serializers.CharField(source="key", help_text="What its address ends with")
    origin = serializers.ChoiceField(choices=list(reads.ORIGINS))
    name = serializers.CharField()
    for_whom = serializers.CharField()
    does = serializers.CharField(help_text="How it trades")
    loses = serializers.CharField(help_text="When it loses money")
    kind = serializers.CharField(help_text="Kind of its strategy")
    risk = serializers.ChoiceField(choices=list(RISKS))
    owner = serializers.CharField(help_text="Empty for a ready-made one")
    is_shared = serializers.BooleanField()
    uses = serializers.IntegerField(help_text="How many bots others made of it")
    config = ObjectField(help_text="A bot's request, as POST /api/bots takes it")


class TemplateQuerySerializer(QuerySerializer):
    """Filters of the list."""

    q = serializers.CharField(required=False, max_length=60, help_text="In name, words, strategy or owner")
    kind = serializers.ChoiceField(choices=[kind for kind, _ in reads.kinds()], required=False)
    risk = serializers.ChoiceField(choices=list(RISKS), required=False)
    origin = serializers.ChoiceField(choices=list(reads.ORIGINS), required=False)


class _WordsSerializer(StrictSerializer):
    name = StrictCharField(max_length=bot_requests.MAX_NAME, required=False, help_text="Yours only once")
    for_whom = StrictCharField(max_length=WORDS["for_whom"], required=False, allow_blank=True)
    does = StrictCharField(
        max_length=WORDS["does"], required=False, allow_blank=True, help_text="How it trades; needed to share it"
    )
    loses = StrictCharField(
        max_length=WORDS["loses"], required=False, allow_blank=True, help_text="When it loses; needed to share it"
    )
    risk = StrictChoiceField(choices=list(RISKS), required=False)
    is_shared = StrictBooleanField(required=False)


class TemplateRequestSerializer(_WordsSerializer):
    """A bot of yours that is to be kept as a template."""

    bot_id = StrictIntegerField(min_value=1, max_value=BIGGEST_ID)


class TemplateChangeSerializer(_WordsSerializer):
    """What is to be said of it from now on."""
