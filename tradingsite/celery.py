"""The Celery application. Tasks live in each app's `tasks` module; results live in rows, never in a result backend."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")

app = Celery("tradewright")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
