from django.urls import URLPattern, path

from strategies.api import compose, custom, indicators, saved
from strategies.gallery import api as gallery

app_name = "strategies-api"

# Address below the two roots, view, name. Custom strategies answer at both; the document names the first.
_CUSTOM = (
    ("", custom.CustomStrategies, "custom"),
    ("/public", custom.PublicCustomStrategies, "custom-public"),
    ("/validate", custom.ValidateConditions, "custom-validate"),
    ("/test", custom.TestConditions, "custom-test"),
    ("/test/<uuid:test_id>", custom.ConditionTestDetail, "custom-test-result"),
    ("/<int:custom_id>", custom.CustomStrategyDetail, "custom-detail"),
    ("/<int:custom_id>/copy", custom.CopyCustomStrategy, "custom-copy"),
    ("/<int:custom_id>/publish", gallery.PublishCustom, "custom-publish"),
    ("/<int:custom_id>/rate", gallery.RateCustom, "custom-rate"),
    ("/<int:custom_id>/ratings", gallery.RatingsOfCustom, "custom-ratings"),
    ("/<int:custom_id>/report", gallery.ReportCustom, "custom-report"),
)
_ROUTES: list[URLPattern] = [
    path(f"custom-strategies{tail}", view.as_view(), name=name) for tail, view, name in _CUSTOM
]
_ALIASES: list[URLPattern] = [
    path(f"strategies/custom{tail}", view.as_view(schema=None), name=f"alias-{name}") for tail, view, name in _CUSTOM
]

urlpatterns = [
    path("indicators", indicators.Indicators.as_view(), name="indicators"),
    path("strategies", saved.Strategies.as_view(), name="list"),
    path("strategies/gallery", gallery.Gallery.as_view(), name="gallery"),
    path("strategies/gallery/<int:publication_id>", gallery.GalleryEntry.as_view(), name="gallery-entry"),
    path("strategies/public", saved.PublicStrategies.as_view(), name="public"),
    path("strategies/public/<str:strategy_type>", saved.PublicStrategiesOfType.as_view(), name="public-of-type"),
    path("strategies/compose", compose.ComposeStrategy.as_view(), name="compose"),
    path("strategies/users/<int:user_id>", saved.StrategiesOfUser.as_view(), name="of-user"),
    path("strategies/<int:strategy_id>", saved.StrategyDetail.as_view(), name="detail"),
    path("strategies/<int:strategy_id>/copy", saved.CopyStrategy.as_view(), name="copy"),
    path("strategies/<int:strategy_id>/publish", gallery.Publish.as_view(), name="publish"),
    path("strategies/<int:strategy_id>/rate", gallery.Rate.as_view(), name="rate"),
    path("strategies/<int:strategy_id>/ratings", gallery.Ratings.as_view(), name="ratings"),
    path("strategies/<int:strategy_id>/report", gallery.Report.as_view(), name="report"),
    *_ROUTES,
    *_ALIASES,
]
