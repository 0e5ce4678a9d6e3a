"""What `manage.py web` serves: Django over HTTP and the UI events over WebSocket. SIP is not here; it is the
edge's."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ucplatform.settings")
http = get_asgi_application()  # sets Django up: what follows imports models

import ucplatform.celery  # noqa: E402, F401  (explicit: hints to workers need the broker)
from ucplatform.web.router import route  # noqa: E402

application = route(http)
