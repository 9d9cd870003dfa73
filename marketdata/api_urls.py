from django.urls import URLPattern, path

from marketdata import api, api_news, api_watchlist

app_name = "marketdata-api"
urlpatterns: list[URLPattern] = [
    path("market-status", api.MarketStatusView.as_view(), name="market-status"),
    path("market-data/<str:symbol>", api.MarketDataView.as_view(), name="market-data"),
    path("watchlist", api_watchlist.WatchlistView.as_view(), name="watchlist"),
    path("news", api_news.NewsView.as_view(), name="news"),
    path("news/import", api_news.NewsImportView.as_view(), name="news-import"),
    path("news/fetch", api_news.NewsFetchView.as_view(), name="news-fetch"),
    path("news/score", api_news.NewsScoreView.as_view(), name="news-score"),
    path("news/symbols/<str:symbol>", api_news.NewsOfSymbolView.as_view(), name="news-of-symbol"),
    path("data/instruments", api.InstrumentsView.as_view(), name="instruments"),
    path("data/instruments/<int:instrument_id>", api.InstrumentView.as_view(), name="instrument"),
    path("data/coverage", api.CoverageView.as_view(), name="coverage"),
    path("data/gaps/<str:symbol>", api.GapsView.as_view(), name="gaps"),
    path("data/import", api.ImportView.as_view(), name="import"),
    path("data/imports", api.ImportsView.as_view(), name="imports"),
    path("data/imports/<uuid:import_id>", api.ImportDetailView.as_view(), name="import-detail"),
]
