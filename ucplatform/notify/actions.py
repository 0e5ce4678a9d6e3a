"""What the other apps tell the outside, always after their transaction is committed.

Groups: `user.<id>` is every page of a person, `session.<tag>` the pages of one browser session. Streams:
`uc:edge:<id>:commands`, one per edge, fields `kind`, `id` (the command's own, so it is done once) and its
arguments."""

import json
import time
import uuid
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction

from ucplatform.notify import adapter

DIRECTORY_CHANNEL = "uc:directory"
ENDED_CALLS = "uc:metrics:calls-ended"


def publish(user_ids: Iterable[int | None], kind: str) -> None:
    """Tell every open page of these users that something changed, e.g. `calls.changed`; None ids are left
    out."""
    groups = [f"user.{user_id}" for user_id in sorted({i for i in user_ids if i is not None})]
    if groups:
        transaction.on_commit(partial(adapter.push, groups, {"type": "ui.event", "kind": kind}))


def announce_directory(revision: int) -> None:
    """Tell every edge that accounts or settings changed; those that miss it compare the revision later."""
    transaction.on_commit(partial(adapter.announce, DIRECTORY_CHANNEL, json.dumps({"version": revision})))


def edge_ids() -> list[str]:
    """The edges of this install: those expected to run here (UC_ROLES), and those of other machines that say
    they are there."""
    here = [role.removeprefix("edge-") for role in settings.UC_ROLES if role.startswith("edge-")]
    return list(dict.fromkeys([*(here or [settings.UC_EDGE_ID]), *adapter.announced_edges()]))


def edge_of_call(call_id: str) -> str | None:
    """The edge that has a call: as that edge wrote it, or as its id says (c-e<edge>-…), for a call may move.
    None for anything else."""
    (text,) = adapter.read_many([f"uc:call:{call_id}"])
    if text:
        return str(json.loads(text)["edge"])
    head, _, rest = call_id.removeprefix("c-e").partition("-")
    return head if call_id.startswith("c-e") and rest and head.isalnum() else None


def hang_up(call_id: str) -> None:
    """End a call, whoever is in it."""
    command_edge("hangup", edge=edge_of_call(call_id), call=call_id)


def command_edge(kind: str, *, edge: str | None = None, **arguments: str) -> str:
    """Queue a command for one edge, or with `edge=None` for all. Returns the command's id."""
    command_id = uuid.uuid4().hex
    fields = {"kind": kind, "id": command_id, **arguments}
    for edge_id in [edge] if edge else edge_ids():
        transaction.on_commit(partial(adapter.append, f"uc:edge:{edge_id}:commands", fields))
    return command_id


def end_web_session(tag: str) -> None:
    """A browser session is over: its SIP flows and its event sockets are closed."""
    command_edge("session-ended", session=tag)
    transaction.on_commit(partial(adapter.push, [f"session.{tag}"], {"type": "session.ended"}))


def count_ended_calls(by_result: Mapping[str, int]) -> None:
    """Add to the counter behind `uc_calls_ended_total`."""
    if by_result:
        transaction.on_commit(partial(adapter.increment, ENDED_CALLS, dict(by_result)))


def ended_calls() -> dict[str, int]:
    """Calls ended by result since the counter began."""
    return adapter.counters(ENDED_CALLS)


def call_snapshots() -> list[dict[str, Any]]:
    """What the edges hold of the calls that are up, as they wrote it (`uc:call:<id>`)."""
    return [json.loads(text) for text in adapter.read_prefix("uc:call:").values()]


def registered_devices() -> int:
    """Bindings of all numbers (`uc:reg:<number>@<edge>` holds a list for each)."""
    return sum(len(json.loads(text)) for text in adapter.read_prefix("uc:reg:").values())


def devices_of(number: str) -> list[dict[str, Any]]:
    """The bindings of one number at all edges, as `pbx.registrar.Binding.to_json` wrote them."""
    texts = adapter.read_many([f"uc:reg:{number}@{edge}" for edge in edge_ids()])
    return [binding for text in texts if text for binding in json.loads(text)]


def bans() -> list[dict[str, Any]]:
    """The bans that hold now, as the edges wrote them (`uc:ban:…`), those that end last first: {"address",
    "account", "since", "until", "count"}."""
    found = [json.loads(text) for text in adapter.read_prefix("uc:ban:").values()]
    running = [ban for ban in found if ban["until"] > time.time()]
    return sorted(running, key=lambda ban: -ban["until"])


def lift_bans(address: str) -> None:
    """End all bans of an address, at every edge."""
    command_edge("lift-bans", address=address)


def role_reports(roles: list[str]) -> dict[str, dict[str, Any]]:
    """What the supervisors say of each role: {"state", "pid", "lacks", …}; state "unknown" where nothing is
    said."""
    texts = adapter.read_many([f"uc:role:{role}" for role in roles])
    unknown = {"state": "unknown", "pid": None, "lacks": []}
    return {role: {**unknown, **json.loads(text or "{}")} for role, text in zip(roles, texts, strict=True)}
