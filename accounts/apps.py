from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from accounts import authentication, selectors  # noqa: F401  (the first registers its OpenAPI scheme)
        from tradingsite.lib import realtime

        realtime.allow("user", lambda user, topic_id: str(user.pk) == topic_id)
        realtime.allow("broker", selectors.may_hear_broker_account)
