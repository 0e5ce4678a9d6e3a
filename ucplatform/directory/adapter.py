"""The directory as plain values, for the edge: no model leaves this file, and nothing here is called on the
path of a SIP message (`web_credential` touches no database)."""

import hashlib
import hmac
import re
import secrets
import time

from django.conf import settings

from ucplatform.directory import actions
from ucplatform.directory.models import Extension, Revision
from ucplatform.pbx.ports import Account

CREDENTIAL_SECONDS = 300
WEB_USERNAME = re.compile(r"w!([0-9]{1,15})!([0-9]{1,12})!([0-9a-f]{16})!([A-Za-z0-9_-]{8,32})", re.ASCII)


def load_accounts() -> list[Account]:
    """Every extension, enabled or not, ordered by number."""
    rows = Extension.objects.order_by("number").values_list(
        "number",
        "name",
        "user_id",
        "user__name",
        "user__language",
        "user__is_active",
        "ha1_md5",
        "ha1_sha256",
        "ha1_sha512_256",
        "enabled",
        "srtp",
    )
    return [
        Account(
            number=number,
            name=name or user_name or number,
            user_id=user_id,
            ha1_md5=ha1_md5,
            ha1_sha256=ha1_sha256,
            enabled=enabled and active is not False,
            language=language or settings.LANGUAGE_CODE,
            ha1_sha512_256=ha1_sha512_256,
            srtp=srtp,
        )
        for (
            number,
            name,
            user_id,
            user_name,
            language,
            active,
            ha1_md5,
            ha1_sha256,
            ha1_sha512_256,
            enabled,
            srtp,
        ) in rows
    ]


def directory_version() -> int:
    """Grows with every committed write to accounts or settings."""
    return Revision.objects.filter(pk=1).values_list("number", flat=True).first() or 0


def load_options() -> dict[str, int | str]:
    """What an administrator set, defaults filled in; the keys of `directory.options.OPTIONS`."""
    return actions.options()


def credential_key() -> bytes:
    """The key of page credentials, apart from every other use of the secret key."""
    return hashlib.sha256(b"ucplatform web credential\0" + settings.UC_SECRET_KEY.encode()).digest()


def issue_web_credential(number: str, tag: str, now: float | None = None) -> tuple[str, str]:
    """(user name, password) with which a page signs in as `number` within the next five minutes. `tag` names
    the browser session (16 hex digits), so that its end closes the line."""
    expiry = int(time.time() if now is None else now) + CREDENTIAL_SECONDS
    username = f"w!{number}!{expiry}!{tag}!{secrets.token_urlsafe(9)}"
    return username, hmac.new(credential_key(), username.encode(), hashlib.sha256).hexdigest()


def web_username(username: str) -> tuple[str, int, str] | None:
    """(number, expiry as unix time, session tag) of a page's user name, None if it is not one."""
    match = WEB_USERNAME.fullmatch(username)
    return (match[1], int(match[2]), match[3]) if match else None


def web_credential(username: str, now: float | None = None) -> str | None:
    """The digest password of a page's user name; None when it has expired or is not one of ours by shape. A
    forged name gets a password too, but not one its maker can know."""
    parts = web_username(username)
    if parts is None or parts[1] < (time.time() if now is None else now):
        return None
    return hmac.new(credential_key(), username.encode(), hashlib.sha256).hexdigest()
