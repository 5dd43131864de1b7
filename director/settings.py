"""Settings of Director, from environment variables; `docs/development.md` lists them.

Without DATABASE_URL and REDIS_URL the servers are the embedded ones of `director.embedded`. Reading this module starts
nothing: where their sockets will be is known beforehand.
"""

from pathlib import Path
from urllib.parse import urlsplit

import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured

from director import embedded, env

django_stubs_ext.monkeypatch()  # so that `ModelAdmin[Workflow]` may be written, which says more to the type checker

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = embedded.data_dir()
UPLOADS_DIR = DATA_DIR / "uploads"
DIRECTOR_FILE_ROOTS = env.paths("DIRECTOR_FILE_ROOTS", [BASE_DIR / "samples", UPLOADS_DIR])
DIRECTOR_WRITE_ROOTS = env.paths("DIRECTOR_WRITE_ROOTS", [DATA_DIR / "files"])

# --- who may talk to us ---------------------------------------------------------------------------------------------
DEBUG = env.flag("DIRECTOR_DEBUG")
PUBLIC_URL = env.text("DIRECTOR_URL", "http://localhost:8000").rstrip("/")
_public = urlsplit(PUBLIC_URL)
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *env.words("DIRECTOR_ALLOWED_HOSTS")]
if _public.hostname and _public.hostname not in ALLOWED_HOSTS:
    ALLOWED_HOSTS.append(_public.hostname)
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
HTTPS = _public.scheme == "https"

SECRET_KEY = env.secret("SECRET_KEY")
if not SECRET_KEY:
    if embedded.is_set("DATABASE_URL"):
        raise ImproperlyConfigured(
            "Where DATABASE_URL is set, set SECRET_KEY (or SECRET_KEY_FILE) too; all hosts share it."
        )
    SECRET_KEY = embedded.secret_key()

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# --- apps -----------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "director",
    "executions",
    "records",
    "workflows",
    "connectors",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "director.middleware.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "director.middleware.SignInRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "director.middleware.LocalTime",
    "director.middleware.ErrorPages",
]
ROOT_URLCONF = "director.urls"
ASGI_APPLICATION = "director.asgi.application"
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
                "director.shell.shell",
            ],
        },
    },
]

# --- stores ---------------------------------------------------------------------------------------------------------
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASE_URL = env.secret("DATABASE_URL") or embedded.database_url()
REDIS_URL = env.secret("REDIS_URL") or embedded.redis_url()

_conninfo = env.conninfo("DATABASE_URL", DATABASE_URL)
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _conninfo.pop("dbname", None) or "director",
        "USER": _conninfo.pop("user", None) or "",
        "PASSWORD": _conninfo.pop("password", None) or "",
        "HOST": _conninfo.pop("host", None) or "",
        "PORT": _conninfo.pop("port", None) or "",
        "OPTIONS": {**_conninfo, "pool": {"min_size": 0, "max_size": 16, "timeout": 10}},
        "CONN_HEALTH_CHECKS": True,  # after a restart of the server the pool's connections are not handed out any more
        "TEST": {"NAME": "director_test"},
    }
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "director:cache",
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # Its consumers wait 5 s for an event in one command; Redis' client must not give up on them as soon as that.
        "CONFIG": {
            "hosts": [{"address": REDIS_URL, "socket_timeout": 15}],
            "prefix": "director:live",
            "capacity": 1000,
        },
    }
}

# --- Celery: a message only says "there is work"; the rows say which --------------------------------------------------
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_BROKER_TRANSPORT_OPTIONS = {"global_keyprefix": "director:celery:"}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True  # no result backend: outcomes are rows
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_DEFAULT_QUEUE = "director"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False  # leases, not the broker, decide who walks
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "executions.sweep", "schedule": 1.0},
    "tend-records": {"task": "records.tend", "schedule": 15.0},
    "remove-expired": {"task": "executions.remove_expired", "schedule": 3600.0},
}

# --- the engine -----------------------------------------------------------------------------------------------------
# A slice that does not renew its lease in this time is taken for dead. Sessions that are gone are noticed at once, so
# this is only for a walker that hangs or was stopped.
DIRECTOR_LEASE_SECONDS = env.integer("DIRECTOR_LEASE_SECONDS", 15)
DIRECTOR_SLICE_SECONDS = env.integer("DIRECTOR_SLICE_SECONDS", 3)
DIRECTOR_KEEP_TEMPORARY_DAYS = env.integer("DIRECTOR_KEEP_TEMPORARY_DAYS", 30)  # after the end of their run
DIRECTOR_KEEP_NOTIFICATIONS_DAYS = env.integer("DIRECTOR_KEEP_NOTIFICATIONS_DAYS", 90)
DIRECTOR_MAX_VALUE_BYTES = env.integer("DIRECTOR_MAX_VALUE_BYTES", 1024 * 1024)  # of one recorded input or output

# --- mail: for prompts and notifications; without a server they are only in the inbox ----------------------------------
EMAIL_HOST = env.text("EMAIL_HOST")
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'dummy'}.EmailBackend"
EMAIL_PORT = env.integer("EMAIL_PORT", 587)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.secret("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", default=True)
EMAIL_TIMEOUT = 10  # seconds; a worker does nothing else meanwhile
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", f"director@{_public.hostname or 'localhost'}")

# --- pages, API -------------------------------------------------------------------------------------------------------
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = LOGIN_URL
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
SIGNIN_LINK_MAX_AGE_SECONDS = 15 * 60

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
ICONS_DIR = BASE_DIR / "templates/vendor/icons"  # outline SVGs, read by the template tag `icon`
STATIC_ROOT = DATA_DIR / "static"  # filled by `manage.py up`
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "director.assets.HashedAssets"},
}
WHITENOISE_USE_FINDERS = True  # what was not collected is served from where it lies
WHITENOISE_AUTOREFRESH = DEBUG

DIRECTOR_MAX_BODY_BYTES = env.integer("DIRECTOR_MAX_BODY_BYTES", 10_000_000)  # of a request, without its files
DATA_UPLOAD_MAX_MEMORY_SIZE = DIRECTOR_MAX_BODY_BYTES
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "director.api.authentication.BearerAuthentication",  # first: its challenge goes with a 401
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["director.api.parsers.JsonParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "director.api.renderers.Negotiation",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "director.api.schema.Schema",
    "EXCEPTION_HANDLER": "director.api.problems.handle",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Director",
    "DESCRIPTION": "Workflows, their runs and their records. `docs/api.md` has an example of each request.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_PATCH": False,  # what a PATCH may leave out is said by its own shape
    "COMPONENT_SPLIT_REQUEST": True,  # what may be sent and what comes back are different shapes
    "COMPONENT_NO_READ_ONLY_REQUIRED": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "ExecutionStatus": "executions.states.ExecutionStatus",
        "StepStatus": "executions.states.StepStatus",
        "RecordStatus": "records.states.RecordStatus",
        "PromptStatus": "executions.models.PromptStatus",
        "ExecutionBulkKind": "executions.models.ExecutionBulkKind",
        "BulkKind": "records.models.BulkKind",
    },
}

# --- language, time, logs ---------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {
        # the sweep is sent every second: that beat has started is worth a line, each sending is not
        "not_routine": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: "Sending due task" not in str(record.msg),
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.text("DIRECTOR_LOG_LEVEL", "INFO")},
    "loggers": {
        "celery.beat": {"filters": ["not_routine"]},
        "celery.worker.strategy": {"level": "WARNING"},  # "received" and "succeeded" for every message
        "celery.app.trace": {"level": "WARNING"},
        # the root logger has one handler for all; Django's own would write its lines twice
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
    },
}
