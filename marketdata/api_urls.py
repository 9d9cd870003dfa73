from django.urls import URLPattern, path

from marketdata import api, api_health, api_news, api_watchlist

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
    path("data/health", api_health.SeriesHealthView.as_view(), name="health"),
    path("data/sources", api_health.SourcesView.as_view(), name="sources"),
    path("data/usage", api_health.UsageView.as_view(), name="usage"),
    path("data/disagreements", api_health.DisagreementsView.as_view(), name="disagreements"),
    path("data/revisions", api_health.RevisionsView.as_view(), name="revisions"),
    path("data/choices", api_health.ChoicesView.as_view(), name="choices"),
    path("data/refetches", api_health.RefetchesView.as_view(), name="refetches"),
    path("data/refetches/<uuid:refetch_id>", api_health.RefetchView.as_view(), name="refetch"),
    path("data/import", api.ImportView.as_view(), name="import"),
    path("data/imports", api.ImportsView.as_view(), name="imports"),
    path("data/imports/<uuid:import_id>", api.ImportDetailView.as_view(), name="import-detail"),
]
