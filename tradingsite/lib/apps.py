from django.apps import AppConfig


class LibConfig(AppConfig):
    """Shared web helpers: errors, strict JSON, live updates, template components. It has no tables."""

    name = "tradingsite.lib"
    label = "weblib"
    verbose_name = "Web helpers"
