"""Who am I, how do I sign in to SIP, whom can I call: `/api/v1/me…`, `/api/v1/people`."""

import logging
from typing import Any, Literal

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from ninja import Field, Router, Schema, Status
from ninja.errors import HttpError

from ucplatform.directory import actions, adapter, sessions, turn
from ucplatform.directory.models import Extension, User

log = logging.getLogger(__name__)
router = Router(tags=["directory"])
PEOPLE_LIMIT = 200


class UserOut(Schema):
    id: int
    username: str
    name: str
    is_admin: bool
    language: str = Field(description="en, pt-BR, or empty: as the browser asks")


class Party(Schema):
    number: str
    name: str


class Me(Schema):
    user: UserOut
    extension: Party | None
    company: str
    version: str


class SipCredentials(Schema):
    uri: str
    username: str
    password: str
    realm: str
    ws_path: str
    expires_in: int = Field(description="seconds in which a registration can begin with them")
    display_name: str
    grace_s: int
    ice_servers: list[dict[str, Any]]


class PasswordIn(Schema):
    old: str = Field(max_length=500)
    new: str = Field(max_length=500)


class ProfileIn(Schema):
    language: Literal["", "en", "pt-BR"] | None = None
    name: str | None = Field(None, max_length=80)


class DiagnosticIn(Schema):
    kind: str = Field(pattern=r"^[a-z][a-z0-9_.-]{0,39}$")
    detail: str = Field("", max_length=500)


def extension_of(user: User) -> Extension | None:
    """The user's enabled number, if there is one."""
    return Extension.objects.filter(user=user, enabled=True).first()


def describe(user: User) -> dict[str, Any]:
    """The answer of `me`."""
    extension = extension_of(user)
    return {
        "user": {
            "id": user.pk,
            "username": user.username,
            "name": str(user),
            "is_admin": user.is_admin,
            "language": user.language,
        },
        "extension": {"number": extension.number, "name": extension.name or str(user)} if extension else None,
        "company": actions.option("company"),
        "version": settings.UC_VERSION,
    }


@router.get("/me", response=Me, summary="The person signed in")
def me(request: HttpRequest) -> dict[str, Any]:
    get_token(request)  # sets the cookie that writes must echo
    return describe(request.user)


@router.patch("/me", response=Me, summary="Change language or name")
def change_me(request: HttpRequest, body: ProfileIn) -> dict[str, Any]:
    name = body.name.strip() if body.name is not None else None
    if name is not None and not (name and name.isprintable()):
        raise HttpError(422, "A name has at least one character and no control characters.")
    return describe(actions.change_profile(request.user, language=body.language, name=name))


@router.get("/me/sip", response=SipCredentials, summary="Short-lived SIP credentials for this page")
def sip_credentials(request: HttpRequest, response: HttpResponse) -> dict[str, Any]:
    extension = extension_of(request.user)
    if extension is None:
        raise HttpError(404, "This account has no extension.")
    username, password = adapter.issue_web_credential(extension.number, sessions.session_tag(request.session))
    response["Cache-Control"] = "no-store"
    return {
        "uri": f"sip:{extension.number}@{settings.UC_DOMAIN}",
        "username": username,
        "password": password,
        "realm": settings.UC_DOMAIN,
        "ws_path": "/sip",
        "expires_in": adapter.CREDENTIAL_SECONDS,
        "display_name": extension.name or str(request.user),
        "grace_s": actions.option("grace_seconds"),
        "ice_servers": turn.ice_servers(extension.number),
    }


@router.post("/me/password", response={204: None}, summary="Change the password; other sessions end")
def change_password(request: HttpRequest, body: PasswordIn) -> Status:
    user = request.user
    # Through the sign-in's own path, so that guessing here counts towards the lock-out.
    if get_adapter(request).reauthenticate(user, body.old) is False:
        raise HttpError(403, "The present password is another one.")
    try:
        validate_password(body.new, user)
    except ValidationError as error:
        raise HttpError(422, " ".join(error.messages)) from None
    actions.change_password(user, body.new, keep_session=request.session)
    update_session_auth_hash(request, user)
    return Status(204, None)


@router.post("/me/diagnostics", response={204: None}, summary="What the page found wrong with its devices")
def diagnostics(request: HttpRequest, body: DiagnosticIn) -> Status:
    log.info("page of %s reports %s: %s", request.user.username, body.kind, body.detail)
    return Status(204, None)


@router.get("/people", response=list[Party], summary="Who can be called, by name or number")
def people(request: HttpRequest, q: str = "") -> list[dict[str, str]]:
    words = actions.fold(q[:100]).split()
    rows = []
    for extension in Extension.objects.filter(enabled=True).select_related("user").iterator():
        name = extension.name or str(extension.user or extension.number)
        text = f"{extension.number} {actions.fold(name)}"
        if all(extension.number.startswith(word) if word.isdigit() else word in text for word in words):
            rows.append({"number": extension.number, "name": name})
    return sorted(rows, key=lambda row: actions.fold(row["name"]))[:PEOPLE_LIMIT]
