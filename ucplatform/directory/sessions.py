"""Browser sessions and what hangs on them.

A session's *tag* is the first 16 hex digits of a hash over a random value inside it. It stands in the SIP
user name of the page and in the edge's command `session-ended`; unlike the session key it survives the key's
change at a password change, and it gives nobody the session."""

import hashlib
import secrets
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.utils import timezone

from ucplatform.notify import actions as notify

SEED = "uc_seed"


def tag_of(data: SessionBase | dict[str, Any]) -> str:
    """The tag of session data that has one, '' otherwise."""
    seed = data.get(SEED, "")
    return hashlib.sha256(seed.encode()).hexdigest()[:16] if seed else ""


def session_tag(session: SessionBase) -> str:
    """The session's tag; makes one on first use."""
    if SEED not in session:
        session[SEED] = secrets.token_urlsafe(16)
    return tag_of(session)


def session_ended(tag: str) -> None:
    """Close the SIP flows and event sockets that belong to a session."""
    if tag:
        notify.end_web_session(tag)


def end_sessions(user_id: int, keep: SessionBase | None = None) -> int:
    """Delete every session of a user but `keep`, and close what hangs on them. Returns how many."""
    ended = []
    for row in Session.objects.filter(expire_date__gt=timezone.now()).iterator(chunk_size=500):
        data = row.get_decoded()
        if data.get(SESSION_KEY) == str(user_id) and (keep is None or row.session_key != keep.session_key):
            ended.append((row.pk, tag_of(data)))
    Session.objects.filter(pk__in=[pk for pk, _tag in ended]).delete()
    for _pk, tag in ended:
        session_ended(tag)
    return len(ended)
