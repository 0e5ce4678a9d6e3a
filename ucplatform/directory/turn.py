"""TURN servers for browsers behind firewalls that let no UDP through, with credentials that end (coturn's
`use-auth-secret`, draft-uberti-behave-turn-rest)."""

import base64
import hashlib
import hmac
import time
from typing import TypedDict

from django.conf import settings

#: A call asks again with the same credentials as long as it lasts, so they outlast a working day.
LIFE_SECONDS = 12 * 3600


class IceServer(TypedDict):
    """As W3C's RTCIceServer."""

    urls: list[str]
    username: str
    credential: str


def ice_servers(number: str, now: float | None = None) -> list[IceServer]:
    """For one extension's page; nothing where the operator has named no server and secret."""
    if not (settings.UC_TURN_URLS and settings.UC_TURN_SECRET):
        return []
    username = f"{int(time.time() if now is None else now) + LIFE_SECONDS}:{number}"
    seal = hmac.digest(settings.UC_TURN_SECRET.encode(), username.encode(), hashlib.sha1)
    return [
        IceServer(urls=settings.UC_TURN_URLS, username=username, credential=base64.b64encode(seal).decode())
    ]
