from django.urls import URLPattern, path

from marketdata import api, api_watchlist

app_name = "marketdata-api"
urlpatterns: list[URLPattern] = [
    path("market-status", api.MarketStatusView.as_view(), name="market-status"),
    path("market-data/<str:symbol>", api.MarketDataView.as_view(), name="market-data"),
    path("watchlist", api_watchlist.WatchlistView.as_view(), name="watchlist"),
    path("data/instruments", api.InstrumentsView.as_view(), name="instruments"),
    path("data/instruments/<int:instrument_id>", api.InstrumentView.as_view(), name="instrument"),
    path("data/coverage", api.CoverageView.as_view(), name="coverage"),
    path("data/gaps/<str:symbol>", api.GapsView.as_view(), name="gaps"),
    path("data/import", api.ImportView.as_view(), name="import"),
    path("data/imports", api.ImportsView.as_view(), name="imports"),
    path("data/imports/<uuid:import_id>", api.ImportDetailView.as_view(), name="import-detail"),
]
