"""`manage.py edge`: the process that owns every SIP message, until SIGTERM or Ctrl-C."""

import hashlib
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections
from redis.exceptions import RedisError

import ucplatform.celery  # noqa: F401  tasks queued by ingest go to our broker

T = TypeVar("T")


def with_database(function: Callable[..., T]) -> Callable[..., T]:
    """`function` for a thread of ours: a connection that is too old or broken is not used again."""

    @wraps(function)
    def call(*args: Any) -> T:
        close_old_connections()
        try:
            return function(*args)
        finally:
            close_old_connections()

    return call


class Command(BaseCommand):
    help = "Run the SIP edge: UDP, TCP, TLS and WebSocket in one loop."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until stopped; exit code 1 with one line when an address is taken."""
        from ucplatform.edge.loop import install

        install()
        logging.getLogger("daphne").setLevel(logging.WARNING)
        from ucplatform.edge.server import EdgeServer  # after install: it picks Twisted's reactor

        edge = make_edge()
        try:
            EdgeServer(
                edge.app, settings.UC_EDGE_SOCKET, limits=edge.limits, on_start=edge.start, on_stop=edge.stop
            ).run()
        except (OSError, ValueError, RedisError, DatabaseError) as error:
            raise CommandError(f"the edge cannot start: {error}") from error


def make_edge() -> Any:
    """The edge of this house: its directory, its history, its switchboard."""
    from ucplatform.calls import actions as calls
    from ucplatform.directory import adapter
    from ucplatform.edge.house import house_of
    from ucplatform.edge.process import Database, Edge
    from ucplatform.edge.switchboard import Switchboard

    database = Database(
        accounts=with_database(adapter.load_accounts),
        version=with_database(adapter.directory_version),
        options=with_database(adapter.load_options),
        ingest=with_database(calls.ingest),
        transient=(OperationalError, InterfaceError, OSError),
    )

    def switchboard(**parts: Any) -> Switchboard:
        return Switchboard(
            house=house_of(settings),
            secret=hashlib.sha256(b"ucplatform nonces\0" + settings.UC_SECRET_KEY.encode()).digest(),
            page_password=adapter.web_credential,
            **parts,
        )

    return Edge(settings, database, switchboard)
