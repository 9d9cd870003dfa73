"""The public gallery: strategies that their owners let everybody read, with figures that the platform computed itself.

`subjects` says what a publication is of, `services` writes (publish, withdraw, rate, report, hide), `measuring` hands
the work of computing figures to the app that runs backtests, `selectors` reads, `shown` puts figures into words.
"""
