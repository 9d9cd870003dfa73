"""Pages of what bots trade: fills, positions, orders, analytics, risk."""

from django.urls import path

from bots.views import trades

urlpatterns = [
    path("trades/", trades.trade_list, name="trades"),
    path("trades/<int:trade_id>/", trades.trade, name="trade"),
    path("trades/export.csv", trades.trades_csv, name="trades-csv"),
]
