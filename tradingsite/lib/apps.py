from django.apps import AppConfig


class LibConfig(AppConfig):
    """Shared web helpers: errors, strict JSON, live updates, template components. It has no tables."""

    name = "tradingsite.lib"
    label = "weblib"
    verbose_name = "Web helpers"

    def ready(self) -> None:
        from tradingsite.lib import schema  # noqa: F401  (registers what OpenAPI says of strict serializers)
