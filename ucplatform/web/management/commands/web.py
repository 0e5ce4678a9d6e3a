"""`manage.py web`: pages, API and UI events on UC_WEB_SOCKET."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C; a taken address ends it at once with status 1."""

    help = "Serve pages, API and UI events on UC_WEB_SOCKET."
    requires_system_checks: list[str] = []

    def handle(self, **options: Any) -> None:
        from ucplatform.web.server import (  # installs a reactor, so not before it is wanted
            ListenError,
            WebServer,
        )

        from ucplatform.asgi import application  # isort: skip

        try:
            WebServer(application, settings.UC_WEB_SOCKET).run()
        except ListenError as error:
            raise CommandError(str(error)) from None
