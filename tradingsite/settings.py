"""Every setting of the platform, read from the environment once.

Layers, strongest first: command-line options of a command, environment variables, the `.env` file beside manage.py,
the defaults below. `.env.example` names every variable; `manage.py config` prints what is in force and checks it.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from tradingsite.environment import BASE_DIR, HOST, NUMBA_CACHE_DIR, PORT, REDIS_URL, VAR_DIR, env  # noqa: F401
from tradingsite.keys import secret_key, secrets_keys
from tradingsite.logs import logging_config
from tradingsite.outside import *  # noqa: F403 - settings, every one

# --- Where things are kept -------------------------------------------------------------------------------------------
BARS_DIR = Path(env.str("BARS_DIR", default=str(VAR_DIR / "bars"))).resolve()
UPLOADS_DIR = Path(env.str("UPLOADS_DIR", default=str(VAR_DIR / "uploads"))).resolve()

# --- Who may reach it ------------------------------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
LOOPBACK_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=LOOPBACK_HOSTS)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# On loopback there is no TLS to insist on; anywhere else there is, unless the operator says otherwise.
HTTPS = env.bool("HTTPS", default=not set(ALLOWED_HOSTS) <= set(LOOPBACK_HOSTS))
SECRET_KEY = secret_key(DEBUG)
SECRETS_KEYS = secrets_keys(DEBUG)

# --- Applications ----------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
    "channels",
    "tradingsite",
    "tradingsite.lib",
    "accounts",
    "marketdata",
    "strategies",
    "backtests",
    "bots",
]
AUTH_USER_MODEL = "accounts.User"
ROOT_URLCONF = "tradingsite.urls"
ASGI_APPLICATION = "tradingsite.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

MIDDLEWARE = [
    "tradingsite.lib.middleware.RequestIdMiddleware",
    "tradingsite.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "tradingsite.lib.middleware.RefusalMiddleware",
    "accounts.middleware.TimezoneMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database --------------------------------------------------------------------------------------------------------
DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'db.sqlite3'}")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # WAL lets readers go on while one process writes; IMMEDIATE takes the write lock at the start of a transaction, so
    # that waiting writers queue for it instead of failing half-way with "database is locked".
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;",
    }
else:
    DATABASES["default"].setdefault("CONN_MAX_AGE", env.int("CONN_MAX_AGE", default=0))
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)

# --- Redis: cache, channel layer, Celery broker ----------------------------------------------------------------------
# redis-py and Channels write a socket as unix:///path; Celery writes it as redis+socket:///path.
# Redis carries the queues too, unless another broker is named (amqp://… for RabbitMQ); live updates always need Redis.
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="") or REDIS_URL.replace("unix://", "redis+socket://", 1)
# A Redis that hangs must not hang the pages with it. The cache has a database of its own (unless REDIS_URL names one),
# because clearing a cache empties its whole database, and the queues live in the other.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"db": 1, "socket_timeout": 5, "socket_connect_timeout": 2},
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "tw"},
    }
}

# --- Celery ----------------------------------------------------------------------------------------------------------
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_BACKEND = None  # results live in our own rows
CELERY_TASK_IGNORE_RESULT = True
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_TASK_DEFAULT_QUEUE = "backtests"
SWEEP_QUEUE = env.str("SWEEP_QUEUE", default="sweeps")  # of its own: a backtest waits for one chunk at most
# Housekeeping runs beside the sessions, in threads, so that it never waits behind a long backtest.
CELERY_TASK_ROUTES = {
    "bots.parity": {"queue": "backtests"},
    "bots.record_performance": {"queue": "backtests"},
    "bots.*": {"queue": "trading"},
    "accounts.*": {"queue": "housekeeping"},
    "backtests.reap": {"queue": "housekeeping"},
    "backtests.refresh_published": {"queue": "housekeeping"},
    "sweeps.reap": {"queue": "housekeeping"},
    "marketdata.tidy": {"queue": "housekeeping"},
    "marketdata.refresh_calendars": {"queue": "housekeeping"},
    "strategies.tidy": {"queue": "housekeeping"},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    # A request that sends a message does not wait for a broker that is away: its row does, and is sent again.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.2,
    "socket_connect_timeout": 2,
}
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 2.0
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 1_500_000  # KiB; a process that grew beyond it is replaced between two runs
# Beat only ticks; what is due is decided by our code from rows. A tick that nobody took in time is dropped, not queued.
CELERY_BEAT_SCHEDULER = "celery.beat.Scheduler"
CELERY_BEAT_SCHEDULE: dict[str, dict[str, object]] = {
    "accounts-forget-expired": {"task": "accounts.forget_expired", "schedule": 3600.0, "options": {"expires": 600}},
    "accounts-deliver": {"task": "accounts.deliver_waiting", "schedule": 10.0, "options": {"expires": 10}},
    "marketdata-tidy": {"task": "marketdata.tidy", "schedule": 60.0, "options": {"expires": 60}},
    "marketdata-calendars": {"task": "marketdata.refresh_calendars", "schedule": 600.0, "options": {"expires": 300}},
    "marketdata-compare": {"task": "marketdata.compare_sources", "schedule": 60.0, "options": {"expires": 60}},
    "strategies-tidy": {"task": "strategies.tidy", "schedule": 60.0, "options": {"expires": 60}},
    "bots-tick": {"task": "bots.tick", "schedule": 5.0, "options": {"expires": 10}},
    "bots-record-performance": {"task": "bots.record_performance", "schedule": 10.0, "options": {"expires": 10}},
    "backtests-reap": {"task": "backtests.reap", "schedule": 5.0, "options": {"expires": 10}},
    "sweeps-reap": {"task": "sweeps.reap", "schedule": 5.0, "options": {"expires": 10}},
    "backtests-refresh-published": {
        "task": "backtests.refresh_published",
        "schedule": 300.0,
        "options": {"expires": 60},
    },
    **{
        f"heartbeat-{queue}": {
            "task": "tradingsite.answer",
            "args": [queue],
            "schedule": 10.0,
            "options": {"queue": queue, "expires": 30},
        }
        for queue in ("backtests", "trading")
    },
}

# --- Market data -----------------------------------------------------------------------------------------------------
IMPORT_MAX_MB = env.int("IMPORT_MAX_MB", default=256)  # largest file anybody may import; tiers may allow less

# --- Backtests -------------------------------------------------------------------------------------------------------
BACKTEST_STALE_SECONDS = env.int("BACKTEST_STALE_SECONDS", default=15)  # without a heartbeat: its worker is dead
BACKTEST_MAX_SECONDS = env.int("BACKTEST_MAX_SECONDS", default=1800)  # a run that takes longer is failed
METRIC_MODULES = env.list("METRIC_MODULES", default=[])  # your own metrics: dotted names of modules that declare them

# --- Trading sessions ------------------------------------------------------------------------------------------------
SESSION_HOSTS = env.int("SESSION_HOSTS", default=1)  # beat starts one where fewer are alive
SESSIONS_PER_HOST = env.int("SESSIONS_PER_HOST", default=100)
SESSION_SNAPSHOT_SECONDS = env.int("SESSION_SNAPSHOT_SECONDS", default=60)  # of market time; at each fill besides
# The first letters of every order's id, so that two installations may share a broker account: lower case, at most 4.
ORDER_ID_PREFIX = env.str("ORDER_ID_PREFIX", default="tw")
# An entry that is priced further than this from the close that decided it is not sent: nobody can have meant it.
ORDER_COLLAR_PCT = env.int("ORDER_COLLAR_PCT", default=60)
if not re.fullmatch("[a-z]{1,4}", ORDER_ID_PREFIX):
    raise ImproperlyConfigured(
        "ORDER_ID_PREFIX must be one to four lower-case letters: every order's id begins with it."
    )
for _name, _number in (
    ("SESSION_HOSTS", SESSION_HOSTS),
    ("SESSIONS_PER_HOST", SESSIONS_PER_HOST),
    ("SESSION_SNAPSHOT_SECONDS", SESSION_SNAPSHOT_SECONDS),
    ("ORDER_COLLAR_PCT", ORDER_COLLAR_PCT),
):
    if _number < 1:
        raise ImproperlyConfigured(f"{_name} must be at least 1, and is {_number}.")
TEST_RIG = env.bool("TEST_RIG", default=False)


def _failpoints() -> dict[str, int]:
    """For the test rig only: FAILPOINTS="after_intent=2" kills a host the second time it comes by there.

    An installation that others can reach is no test rig, whatever its settings say.
    """
    if TEST_RIG and not set(ALLOWED_HOSTS) <= set(LOOPBACK_HOSTS):
        raise ImproperlyConfigured("TEST_RIG is for tests on loopback; ALLOWED_HOSTS names other hosts. Take it out.")
    points = env.dict("FAILPOINTS", default={})
    if points and not TEST_RIG:
        raise ImproperlyConfigured(
            "FAILPOINTS kill processes on purpose, for tests only (TEST_RIG=true). Take them out."
        )
    if not all(count.isdecimal() for count in points.values()):
        raise ImproperlyConfigured("FAILPOINTS are written name=count, comma-separated, such as after_intent=2.")
    return {name: int(count) for name, count in points.items()}


FAILPOINTS = _failpoints()

# --- Notifications ---------------------------------------------------------------------------------------------------
# What a webhook of a user's may reach: the internet, on these ports.
WEBHOOK_PORTS = env.list("WEBHOOK_PORTS", cast=int, default=[80, 443])
WEBHOOK_PRIVATE_NETWORKS = env.bool("WEBHOOK_PRIVATE_NETWORKS", default=False)

# --- Login and tokens ------------------------------------------------------------------------------------------------
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "accounts:login"
AUTHENTICATION_BACKENDS = ["accounts.backends.GuardedBackend"]
# Whether strangers may make themselves an account; the admin can always make one.
SIGN_UP_OPEN = env.bool("SIGN_UP_OPEN", default=True)
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
CSRF_FAILURE_VIEW = "tradingsite.lib.pages.csrf_failure"

SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=5),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
}

# --- REST API --------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["tradingsite.lib.parsers.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "tradingsite.lib.pagination.Pages",
    "DEFAULT_THROTTLE_CLASSES": ["tradingsite.lib.throttles.RequestsPerMinute"],
    "DEFAULT_SCHEMA_CLASS": "tradingsite.lib.schema.DocumentedErrors",
    "EXCEPTION_HANDLER": "tradingsite.lib.errors.exception_handler",
    "URL_FORMAT_OVERRIDE": None,  # ?format= is a field name of ours like any other
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
# Before login the API counts by address; after it, by user, at the rate of the user's tier.
API_ANON_REQUESTS_PER_MINUTE = env.int("API_ANON_REQUESTS_PER_MINUTE", default=60)
SPECTACULAR_SETTINGS = {
    "TITLE": "Tradewright API",
    "DESCRIPTION": "Backtests, strategies, market data and accounts. What you tested is what trades.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    # One name for each set of choices, whichever bodies it stands in.
    "ENUM_NAME_OVERRIDES": {
        "NotificationLevelEnum": "accounts.models.Level",
        "BrokerKindEnum": "accounts.models.BrokerAccount.Kind",
        "BrokerEnvironmentEnum": "accounts.models.BrokerAccount.Environment",
        "BrokerAccountStateEnum": "accounts.models.BrokerAccount.State",
        "BacktestStateEnum": "backtests.models.Backtest.State",  # of sweeps, too
        "PassportVerdictEnum": "backtests.models.Passport.Verdict",
        "FindingVerdictEnum": "backtests.proof.findings.VERDICTS",
        "SessionStateEnum": "bots.states.SessionState",
        "SideEnum": "bots.models.columns.Side",
        "StrategySlugEnum": "strategies.serializers.SLUGS",
        "StopPolicyEnum": "bots.models.session.TradingSession.StopPolicy",
        "SourceEnum": "marketdata.models.instrument.Source.values",
        "NewsSourceEnum": "marketdata.news.names.SOURCE_NAMES",
        "TimeframeEnum": "marketdata.serializers.TIMEFRAMES",
    },
}

# --- Headers ---------------------------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
# With this prefix a browser takes a cookie over TLS only, for this host only: no other host can plant one.
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
# Behind a proxy its word counts for the client's address and scheme. Without one, both headers are the client's claims.
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None

# --- Files, language, time -------------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# From source: a page sees a changed file at once. Collected (the container image): compressed, with hashes in the names
# so that browsers keep them for ever.
WHITENOISE_USE_FINDERS = env.bool("STATIC_FROM_SOURCE", default=True)
STATIC_ROOT = None if WHITENOISE_USE_FINDERS else BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if WHITENOISE_USE_FINDERS
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576

# --- Logs ------------------------------------------------------------------------------------------------------------
LOGGING = logging_config(env.str("LOG_FORMAT", default="json"), env.str("LOG_LEVEL", default="INFO"))

# --- How it is served ------------------------------------------------------------------------------------------------
WEB_PROCESSES = env.int("WEB_PROCESSES", default=1)
# /health answers 503 when the disk under VAR_DIR has less than this left.
HEALTH_MIN_FREE_MB = env.int("HEALTH_MIN_FREE_MB", default=200)

# Whoever has the settings has the Celery application: without it a shared task would go to Celery's default broker.
from tradingsite.celery import app as celery_app  # noqa: E402, F401
