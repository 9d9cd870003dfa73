from django.urls import path

from strategies.api import saved

app_name = "strategies-api"
urlpatterns = [
    path("strategies", saved.Strategies.as_view(), name="list"),
    path("strategies/public", saved.PublicStrategies.as_view(), name="public"),
    path("strategies/public/<str:strategy_type>", saved.PublicStrategiesOfType.as_view(), name="public-of-type"),
    path("strategies/users/<int:user_id>", saved.StrategiesOfUser.as_view(), name="of-user"),
    path("strategies/<int:strategy_id>", saved.StrategyDetail.as_view(), name="detail"),
    path("strategies/<int:strategy_id>/copy", saved.CopyStrategy.as_view(), name="copy"),
]
