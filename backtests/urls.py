"""Pages of backtests."""

from django.urls import path

from backtests import views

app_name = "backtests"
urlpatterns = [
    path("", views.backtest_list, name="list"),
]
