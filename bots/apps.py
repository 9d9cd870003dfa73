from django.apps import AppConfig


class BotsConfig(AppConfig):
    """Bots and their trading sessions."""

    name = "bots"
    verbose_name = "Bots"

    def ready(self) -> None:
        from bots import consumers
        from tradingsite.lib import realtime

        realtime.allow("session", consumers.may_hear_session)
