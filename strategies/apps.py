from django.apps import AppConfig


class StrategiesConfig(AppConfig):
    name = "strategies"
    verbose_name = "Strategies"

    def ready(self) -> None:
        from accounts import quotas
        from strategies import selectors

        quotas.show_usage("max_saved_strategies", selectors.count)
