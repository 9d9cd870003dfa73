from django.urls import path

from strategies import api

app_name = "strategies-api"
urlpatterns = [
    path("strategies", api.Strategies.as_view(), name="list"),
    path("strategies/public", api.PublicStrategies.as_view(), name="public"),
    path("strategies/public/<str:strategy_type>", api.PublicStrategiesOfType.as_view(), name="public-of-type"),
    path("strategies/users/<int:user_id>", api.StrategiesOfUser.as_view(), name="of-user"),
    path("strategies/<int:strategy_id>", api.StrategyDetail.as_view(), name="detail"),
    path("strategies/<int:strategy_id>/copy", api.CopyStrategy.as_view(), name="copy"),
]
