"""`/healthz`: is every role of the house ready? `/healthz/live`: does this process answer?"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ucplatform.notify import actions as notify


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when all roles of UC_ROLES are ready, else 503. Process ids and what is lacking are for callers on
    this machine that no one forwarded."""
    roles = notify.role_reports(settings.UC_ROLES)
    ready = all(role["state"] == "ready" for role in roles.values())
    if not request.near:
        roles = {name: {"state": role["state"]} for name, role in roles.items()}
    return JsonResponse(
        {"state": "ready" if ready else "degraded", "roles": roles}, status=200 if ready else 503
    )


@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """This process answers; asked by its supervisor."""
    return HttpResponse("ok\n", content_type="text/plain")
