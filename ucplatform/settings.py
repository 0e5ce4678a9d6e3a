"""Settings of the whole house: what an operator sets is an environment variable, what an administrator
changes is a row (`directory.models.Setting`).

Two values are decided on the first start and kept in the data directory: the secret key (`secret-key`, mode
0600) and the SIP domain (`domain`), because every stored digest hash contains the domain as its realm."""

import hashlib
import os
import secrets
from pathlib import Path
from urllib.parse import unquote, urlsplit

import dj_database_url

from ucplatform.machine import default_domain, media_addresses
from ucplatform.notify import logs

BASE_DIR = Path(__file__).resolve().parent.parent


def env(name: str, default: str = "") -> str:
    """The variable without surrounding blanks; an empty one counts as absent."""
    return os.environ.get(name, "").strip() or default


def envbool(name: str, default: bool = False) -> bool:
    """True for 1, true, yes, on (any case)."""
    return env(name, "1" if default else "0").lower() in {"1", "true", "yes", "on"}


def envlist(name: str, default: str = "") -> list[str]:
    """A comma-separated variable as a list without empty items."""
    return [item.strip() for item in env(name, default).split(",") if item.strip()]


def write_once(path: Path, text: str, mode: int) -> str:
    """What `path` holds, which is `text` from the first start on. Processes may race: the first wins."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as stream:
            stream.write(text + "\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        draft.unlink()
    return path.read_text().strip()


def run_directory(data: Path) -> Path:
    """Where sockets live, mode 0700; in /tmp when their paths would pass the 107 bytes of a unix address."""
    path = data / "run"
    if len(os.fsencode(path)) > 90:
        path = Path(f"/tmp/uc-{os.getuid()}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}")
    path.mkdir(exist_ok=True, mode=0o700)
    if path.stat().st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to someone else")
    return path


# What an operator sets --------------------------------------------------------------------------------------

UC_DATA_DIR = Path(env("UC_DATA_DIR", str(BASE_DIR / "var"))).resolve()
UC_DATA_DIR.mkdir(parents=True, exist_ok=True)
UC_RUN_DIR = run_directory(UC_DATA_DIR)

UC_HTTP = env("UC_HTTP", "127.0.0.1:8000")
UC_HTTPS = env("UC_HTTPS", "0.0.0.0:8443")
UC_SIP_UDP = env("UC_SIP_UDP", "0.0.0.0:5060")
UC_SIP_TCP = env("UC_SIP_TCP", UC_SIP_UDP)
UC_SIP_TLS = env("UC_SIP_TLS", "0.0.0.0:5061")
UC_TLS_CERT, UC_TLS_KEY = env("UC_TLS_CERT"), env("UC_TLS_KEY")  # PEM files; without them self-made ones
UC_TLS_DIR = env("UC_TLS_DIR")  # more certificates, one a server name; see edge/tls.py
UC_TLS_CLIENT_CA = env("UC_TLS_CLIENT_CA")  # PEM file: whose clients may show a certificate over SIP TLS
UC_TLS_CLIENT_REQUIRED = envbool("UC_TLS_CLIENT_REQUIRED")
UC_RTP_PORTS = env("UC_RTP_PORTS", "20000-20999")
UC_GATEWAY_NG = env("UC_GATEWAY_NG", "127.0.0.1:2223")
UC_MEDIA_ENGINES = envlist("UC_MEDIA_ENGINES", UC_GATEWAY_NG)  # all that speak NG, rtpengines too
UC_MEDIA_ADDRESSES = env("UC_MEDIA_ADDRESSES") or media_addresses()
UC_TURN_URLS, UC_TURN_SECRET = envlist("UC_TURN_URLS"), env("UC_TURN_SECRET")  # see directory/turn.py
UC_SIP_TRUSTED = envlist("UC_SIP_TRUSTED")
UC_ALLOWED_ORIGINS = envlist("UC_ALLOWED_ORIGINS")  # https://name[:port] whose pages may open /sip
UC_ALLOWED_HOSTS = envlist("UC_ALLOWED_HOSTS")  # public names of this install; see web/hosts.py
UC_DEMO = envbool("UC_DEMO", True)
UC_EDGES = max(1, int(env("UC_EDGES", "1")))  # how many this machine runs; embedded/edges.py numbers them
UC_EDGE_ID = env("UC_EDGE_ID", "1")  # of the first of them
edges = [UC_EDGE_ID] if UC_EDGES == 1 else range(int(UC_EDGE_ID), int(UC_EDGE_ID) + UC_EDGES)
UC_ROLES = envlist("UC_ROLES", f"front,web,{','.join(f'edge-{n}' for n in edges)},gateway-1,worker,beat")
UC_WEB_SOCKET = env("UC_WEB_SOCKET", f"unix:{UC_RUN_DIR / 'web.sock'}")
UC_EDGE_SOCKET = env("UC_EDGE_SOCKET", f"unix:{UC_RUN_DIR / 'edge.sock'}")
UC_EDGE_LINK = env("UC_EDGE_LINK", f"unix:{UC_RUN_DIR / f'edge-{UC_EDGE_ID}.link'}")  # where other edges dial
UC_SECRET_KEY = env("UC_SECRET_KEY") or write_once(
    UC_DATA_DIR / "secret-key", secrets.token_urlsafe(48), 0o600
)
UC_DOMAIN = write_once(UC_DATA_DIR / "domain", env("UC_DOMAIN").lower() or default_domain(), 0o644)
UC_TRACE_DIR = UC_DATA_DIR / "trace"
UC_FRONTEND_DIST = BASE_DIR / "frontend" / "dist"
UC_VERSION = "0.1.0"

REDIS_URL = env("REDIS_URL", f"unix://{UC_RUN_DIR / 'redis.sock'}")

# Django -----------------------------------------------------------------------------------------------------

SECRET_KEY = UC_SECRET_KEY
DEBUG = envbool("UC_DEBUG")
# Any Host passes here because Django's list cannot say "any address of a LAN": FrontMiddleware decides first.
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "ucplatform.urls"
AUTH_USER_MODEL = "directory.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "ucplatform.web",  # before allauth and admin: its templates win
    "ucplatform.directory",
    "ucplatform.calls",
    "ucplatform.notify",
    "ucplatform.edge",
    "ucplatform.embedded",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
    "django_celery_beat",
]

MIDDLEWARE = [
    "ucplatform.web.middleware.FrontMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "ucplatform.web.middleware.PolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "ucplatform.web.middleware.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

database = dj_database_url.parse(env("DATABASE_URL", f"sqlite:///{UC_DATA_DIR / 'uc.sqlite3'}"))
if database["ENGINE"].endswith("sqlite3"):
    # WAL: readers and one writer at once. IMMEDIATE: a writer queues for the lock and does not fail later.
    pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    database["OPTIONS"] = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": pragmas}
    database["TEST"] = {"NAME": str(UC_DATA_DIR / "test.sqlite3")}
else:
    database.update(CONN_MAX_AGE=60, CONN_HEALTH_CHECKS=True)
DATABASES = {"default": database}

CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
}

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("pt-br", "Português (Brasil)")]
TIME_ZONE = env("UC_TIME_ZONE", "UTC")
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = UC_DATA_DIR / "static"
STATICFILES_DIRS = [("app", UC_FRONTEND_DIST)] if UC_FRONTEND_DIST.is_dir() else []

# Caddy writes X-Forwarded-Proto itself and leaves Host as the browser sent it, so Origin and Host compare.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_FAILURE_VIEW = "ucplatform.web.views.csrf_failure"
SESSION_COOKIE_AGE = 30 * 24 * 3600

# Sign-in ----------------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "ucplatform.web.sign_in.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_REDIRECT_URL = "/accounts/login/"
ACCOUNT_RATE_LIMITS = {"login": "120/m/ip", "login_failed": None}  # failures are counted by axes
# (address, account) together: one bad guesser must not lock out the office behind the same address.
AXES_LOCKOUT_PARAMETERS = [["ip_address", "username"]]
AXES_USERNAME_CALLABLE = "ucplatform.web.sign_in.account_name"
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "account/locked.html"

# UC_EMAIL_URL is smtp://user:password@host:port (STARTTLS) or smtps://… (TLS); without it mails become files.
mail = urlsplit(env("UC_EMAIL_URL"))
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if mail.hostname else 'filebased'}.EmailBackend"
EMAIL_FILE_PATH = UC_DATA_DIR / "mail"
EMAIL_USE_SSL = mail.scheme == "smtps"
EMAIL_USE_TLS = mail.scheme == "smtp" and bool(mail.username)
EMAIL_HOST, EMAIL_PORT = mail.hostname, mail.port or (465 if EMAIL_USE_SSL else 587)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(mail.username or ""), unquote(mail.password or "")
DEFAULT_FROM_EMAIL = env("UC_EMAIL_FROM", f"phone@{UC_DOMAIN}")

LOGGING = logs.configuration(env("UC_LOG", "INFO"))
