from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from accounts import authentication  # noqa: F401  (registers its OpenAPI scheme)
        from tradingsite.lib import realtime

        realtime.allow("user", lambda user, topic_id: str(user.pk) == topic_id)
