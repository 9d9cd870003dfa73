"""Every route of the site: pages first, then the REST API under /api/, then operators. /health: see `health`."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from bots.views import dashboard

handler400 = "tradingsite.lib.pages.bad_request"
handler403 = "tradingsite.lib.pages.forbidden"
handler404 = "tradingsite.lib.pages.not_found"
handler500 = "tradingsite.lib.pages.server_fault"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", dashboard.home, name="home"),
    path("", include("bots.urls")),
    path("accounts/", include("accounts.urls")),
    path("brokers/", include("bots.urls_brokers")),
    path("notifications/", include("accounts.notification_urls")),
    path("", include("bots.urls_trading")),
    path("data/", include("marketdata.urls")),
    path("strategies/", include("strategies.urls")),
    path("backtests/", include("backtests.urls")),
    path("portfolios/", include("backtests.portfolio_urls")),
    path("api/", include("accounts.api_urls")),
    path("api/", include("marketdata.api_urls")),
    path("api/", include("strategies.api_urls")),
    path("api/", include("backtests.api_urls")),
    path("api/", include("bots.api_urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema", url_self="/api/docs/"), name="api-docs"),
    path("operators/", admin.site.urls),
]
