from django.apps import AppConfig


class MarketdataConfig(AppConfig):
    name = "marketdata"
    verbose_name = "Market data"

    def ready(self) -> None:
        from accounts import quotas
        from marketdata import selectors
        from marketdata.bucket import AWAY, BucketAway
        from tradingsite.lib.errors import call_unavailable

        call_unavailable(BucketAway, AWAY)
        quotas.show_usage("max_waiting_imports", selectors.waiting_imports)
        quotas.show_usage("max_stored_bars", selectors.kept_bars)
