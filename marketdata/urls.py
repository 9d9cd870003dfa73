from django.urls import URLPattern, path

from marketdata import views, views_health, views_news

app_name = "marketdata"
urlpatterns: list[URLPattern] = [
    path("", views.index, name="index"),
    path("instruments/<int:instrument_id>/", views.instrument, name="instrument"),
    path("instruments/<int:instrument_id>/bars", views.instrument_bars, name="instrument-bars"),
    path("instruments/<int:instrument_id>/delete", views.delete_instrument, name="instrument-delete"),
    path("health/", views_health.index, name="health"),
    path("instruments/<int:instrument_id>/<str:timeframe>/refetch", views_health.refetch, name="refetch"),
    path("news/", views_news.news, name="news"),
    path("news/import/", views_news.import_news, name="news-import"),
    path("news/fetch/", views_news.fetch_news, name="news-fetch"),
    path("news/delete/", views_news.delete_news, name="news-delete"),
    path("watchlist/", views.save_watchlist, name="watchlist"),
    path("import/", views.import_file, name="import"),
    path("imports/<uuid:import_id>/", views.import_detail, name="import-detail"),
]
