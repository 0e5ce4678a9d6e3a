"""`/api/v1/`: the routers of the apps under one session sign-in with CSRF check, and the OpenAPI paper."""

import logging

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.security import SessionAuth

from ucplatform.calls.api import router as calls
from ucplatform.directory.api import router as directory
from ucplatform.web.bans import router as bans

log = logging.getLogger(__name__)

api = NinjaAPI(
    title="Telephone system",
    version="1",
    urls_namespace="api",
    auth=SessionAuth(),  # the session cookie; writes need X-CSRFToken and an Origin of ours
    docs_url=None,  # its page loads scripts from elsewhere
)
api.add_router("", directory)
api.add_router("", calls)
api.add_router("", bans)


@api.exception_handler(Exception)
def unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    """Our own fault: the log has it, the page gets a sentence."""
    log.exception("%s %s failed", request.method, request.path, exc_info=error)
    return api.create_response(request, {"detail": "Something here failed. The log says what."}, status=500)
