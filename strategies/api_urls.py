from django.urls import path

from strategies.api import saved
from strategies.gallery import api as gallery

app_name = "strategies-api"
urlpatterns = [
    path("strategies", saved.Strategies.as_view(), name="list"),
    path("strategies/gallery", gallery.Gallery.as_view(), name="gallery"),
    path("strategies/gallery/<int:publication_id>", gallery.GalleryEntry.as_view(), name="gallery-entry"),
    path("strategies/public", saved.PublicStrategies.as_view(), name="public"),
    path("strategies/public/<str:strategy_type>", saved.PublicStrategiesOfType.as_view(), name="public-of-type"),
    path("strategies/users/<int:user_id>", saved.StrategiesOfUser.as_view(), name="of-user"),
    path("strategies/<int:strategy_id>", saved.StrategyDetail.as_view(), name="detail"),
    path("strategies/<int:strategy_id>/copy", saved.CopyStrategy.as_view(), name="copy"),
    path("strategies/<int:strategy_id>/publish", gallery.Publish.as_view(), name="publish"),
    path("strategies/<int:strategy_id>/rate", gallery.Rate.as_view(), name="rate"),
    path("strategies/<int:strategy_id>/ratings", gallery.Ratings.as_view(), name="ratings"),
    path("strategies/<int:strategy_id>/report", gallery.Report.as_view(), name="report"),
]
