"""The first steps of every request: who is at the other end, by which name, in which language; and what the
answer must carry."""

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.utils import translation

from ucplatform.web import hosts

log = logging.getLogger(__name__)
GetResponse = Callable[[HttpRequest], HttpResponse]

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
PERMISSIONS_POLICY = "microphone=(self), camera=(self), display-capture=(self), geolocation=(), payment=()"
LOOPBACK = ("127.", "::1", "::ffff:127.")


class FrontMiddleware:
    """Reads what the front says of its client. The web socket is internal: only the front, the supervisor and
    a scraper beside us reach it, so X-UC-Peer is the front's word and its absence means a direct neighbour.

    Sets REMOTE_ADDR to the true peer, `request.near` (same machine or direct neighbour: may see process
    details), and refuses a Host that is not this install."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        meta = request.META
        peer = meta.get("HTTP_X_UC_PEER", "")
        forwarded = bool(meta.get("HTTP_X_UC_FORWARDED") or (not peer and meta.get("HTTP_X_FORWARDED_FOR")))
        request.near = not forwarded and (not peer or peer.startswith(LOOPBACK))
        meta["REMOTE_ADDR"] = peer or meta.get("REMOTE_ADDR") or "127.0.0.1"
        if not hosts.is_accepted(hosts.host_name(request), meta.get("HTTP_X_UC_LOCAL", "")):
            log.warning("refused host %.200r from %s", meta.get("HTTP_HOST", ""), meta["REMOTE_ADDR"])
            return HttpResponseBadRequest(
                "This name is not served here. An operator sets UC_ALLOWED_HOSTS.\n"
            )
        return self.get_response(request)


class PolicyMiddleware:
    """Writes the content security policy, and marks cookies Secure on HTTPS. Loopback is left out: there HTTP
    and HTTPS share cookies, and a Secure one would lock the plain port out of its own session."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        if request.is_secure() and hosts.host_name(request) not in {"localhost", "127.0.0.1", "::1"}:
            for cookie in response.cookies.values():
                cookie["secure"] = True
        return response


class LanguageMiddleware:
    """A person's own choice of language goes before the browser's."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        chosen = getattr(request.user, "language", "")
        if chosen:
            translation.activate(chosen)
            request.LANGUAGE_CODE = translation.get_language()
        return self.get_response(request)
