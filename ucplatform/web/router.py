"""Which ASGI application gets a connection. Live events are for pages of our own origin only."""

import logging
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter
from django.http.request import split_domain_port

from ucplatform.notify.adapter import REDIS_ERRORS
from ucplatform.web import hosts
from ucplatform.web.consumers import EventsConsumer

TRY_LATER = 1013  # RFC 6455's registry: the server cannot now; the page reconnects and refetches
log = logging.getLogger(__name__)


def header(scope: dict[str, Any], name: bytes) -> str:
    """A header of the handshake, '' if absent."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def same_origin(origin: str, host: str, scheme: str) -> bool:
    """Is `origin` the page that `host` (as in the Host header) serves by `scheme`?"""
    return origin.lower() == f"{scheme}://{host}".lower()


async def refuse(send: Any) -> None:
    """403 before the handshake ends."""
    await send({"type": "websocket.close", "code": 4403})


class EventsGate:
    """Lets only our own pages open `/events`: a foreign page would send the user's cookie along (ASVS
    4.4.2)."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        host, origin = header(scope, b"host"), header(scope, b"origin")
        secure = header(scope, b"x-forwarded-proto") in {"https", "wss"} or scope.get("scheme") == "wss"
        name = split_domain_port(host)[0].rstrip(".").strip("[]")
        accepted = hosts.is_accepted(name, header(scope, b"x-uc-local"))
        own = accepted and same_origin(origin, host, "https" if secure else "http")
        if scope["path"] != "/events" or not own:
            log.warning(
                "refused WebSocket %.80r of origin %.200r to host %.200r", scope["path"], origin, host
            )
            await receive()
            await refuse(send)
            return
        try:
            await self.application(scope, receive, send)
        except REDIS_ERRORS as error:
            log.warning("redis is away, live events of a page end: %s", error)
            await send({"type": "websocket.close", "code": TRY_LATER})


def route(http: Any) -> ProtocolTypeRouter:
    """HTTP to Django, `/events` to its consumer, every other WebSocket nowhere."""
    events = EventsGate(AuthMiddlewareStack(EventsConsumer.as_asgi()))
    return ProtocolTypeRouter({"http": http, "websocket": events})
