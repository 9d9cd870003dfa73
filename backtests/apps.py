from django.apps import AppConfig


class BacktestsConfig(AppConfig):
    """Backtests, their results and performance records."""

    name = "backtests"
    verbose_name = "Backtests"

    def ready(self) -> None:
        from importlib import import_module

        from django.conf import settings

        from accounts import quotas
        from backtests import consumers, preload, records, selectors, tasks
        from backtests.proof import gate
        from backtests.sweeps import selectors as sweep_selectors
        from backtests.sweeps import tasks as _sweep_tasks  # noqa: F401  (Celery looks for them in the app's module only)
        from strategies import performance, proving
        from strategies.gallery import measuring
        from tradingsite.lib import realtime

        realtime.allow("backtest", consumers.may_listen)
        realtime.allow("sweep", consumers.may_listen_to_sweep)
        realtime.allow("portfolio", consumers.may_listen_to_portfolio)
        quotas.show_usage("max_concurrent_sweeps", sweep_selectors.active_count)
        quotas.show_usage("max_concurrent_backtests", selectors.active_count)
        quotas.show_usage("max_backtests_per_day", selectors.submitted_today)
        performance.register(performance.Keeper(records.keep, records.kept))
        proving.register(gate.refuse_without)
        measuring.register(tasks.enqueue_published)
        preload.connect()
        for module in settings.METRIC_MODULES:
            import_module(module)  # its @engine.metrics.metric functions are in every list and every run from here on
