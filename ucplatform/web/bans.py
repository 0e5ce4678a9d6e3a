"""Who may not speak to the edges for a while, for administrators: `/api/v1/bans`, `/admin/bans/`."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from ninja import Field, Router, Schema, Status
from ninja.errors import HttpError

from ucplatform.notify import actions as notify

router = Router(tags=["bans"])


class BanOut(Schema):
    address: str = Field(description="an IPv6 subscriber by its /64")
    account: str = Field(description="the account closed to that address; empty: everything from there")
    since: datetime
    until: datetime
    count: int = Field(description="the how manieth ban in a row")


class LiftIn(Schema):
    address: str = Field(min_length=2, max_length=64, description="as listed, or any address of the /64")


def listed() -> list[dict[str, Any]]:
    """The bans that hold now, with readable times."""
    times = ("since", "until")
    return [
        {**ban, **{name: datetime.fromtimestamp(ban[name], UTC) for name in times}} for ban in notify.bans()
    ]


def only_administrators(request: HttpRequest) -> None:
    """403 for everybody else."""
    if not request.user.is_admin:
        raise HttpError(403, "Only an administrator sees who is banned.")


@router.get("/bans", response=list[BanOut], summary="Addresses and accounts that get no answer now")
def get_bans(request: HttpRequest) -> list[dict[str, Any]]:
    only_administrators(request)
    return listed()


@router.post("/bans/lift", response={204: None}, summary="End all bans of an address, at once")
def lift(request: HttpRequest, body: LiftIn) -> Status:
    only_administrators(request)
    notify.lift_bans(body.address.strip())
    return Status(204, None)


@require_http_methods(["GET", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The same for the administration's pages."""
    if request.method == "POST":
        notify.lift_bans(request.POST.get("address", "").strip()[:64])
        return HttpResponseRedirect(reverse("bans"))
    context = {**admin.site.each_context(request), "title": _("Banned addresses"), "bans": listed()}
    return TemplateResponse(request, "web/bans.html", context)
