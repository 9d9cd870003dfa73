from django.apps import AppConfig


class BotsConfig(AppConfig):
    """Bots and their trading sessions."""

    name = "bots"
    verbose_name = "Bots"

    def ready(self) -> None:
        from accounts import quotas
        from accounts.services import brokers
        from bots import consumers, selectors
        from bots.selectors import feeds
        from bots.services import broker_keys
        from marketdata import health
        from strategies import selectors as strategy_selectors
        from tradingsite.lib import realtime

        brokers.register_checker(broker_keys.check)
        brokers.register_sessions(broker_keys.sessions_of)
        realtime.allow("session", consumers.may_hear_session)
        health.show_feeds(feeds.of)
        quotas.show_usage("max_active_sessions", selectors.active_count)
        strategy_selectors.tell_users_of_custom(selectors.sessions_of_custom)
