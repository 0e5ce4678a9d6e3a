"""Turns a call's trace into the ladder of its page: one lane a device with the server between them, one item
a message or event."""

import re
from typing import Any

from ucplatform import sdp
from ucplatform.calls.models import Call

SERVER = "server"
START_LINE = re.compile(
    r"(?:SIP/2\.0 (?P<status>[0-9]{3}) ?(?P<reason>[^\r\n]{0,80})|(?P<method>[A-Z]{1,20}) )"
)
# Events that a person looking for a fault must not overlook.
WARNINGS = ("timeout", "lost", "failed", "refused", "error", "expired")
DETAIL_LIMIT = 160
# Details that say enough without their name: "ICE checking", "answered browser".
PLAIN_DETAILS = ("state", "device")


def label_of(name: str, number: str) -> str:
    """Name and number, "Reception 200"; a name that says its number already stays as it is."""
    return name if number in name.split() else f"{name} {number}".strip()


def device_lane(leg: dict[str, Any], call: Call) -> dict[str, Any]:
    """A lane for one leg of the record."""
    party = call.caller if leg.get("role") == "caller" else call.callee or {}
    number = str(leg.get("number") or party.get("number") or "")
    name = str(party.get("name") or "") if party.get("number") == number else ""
    return {
        "id": str(leg.get("id")),
        "role": leg.get("role") or "callee",
        "device": leg.get("device"),
        "label": label_of(name, number),
    }


def lanes_of(call: Call, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Caller's legs, the server, callee's legs; legs that only the trace knows come last."""
    devices = [device_lane(leg, call) for leg in call.legs]
    known = {lane["id"] for lane in devices}
    for entry in entries:
        leg = entry.get("leg")
        if leg and str(leg) not in known:
            known.add(str(leg))
            devices.append({"id": str(leg), "role": "callee", "device": None, "label": str(leg)})
    if not devices:
        label = label_of(str(call.caller.get("name") or ""), call.caller_number)
        devices = [{"id": "caller", "role": "caller", "device": call.caller.get("device"), "label": label}]
    server = {"id": SERVER, "role": "server", "device": None, "label": "Server"}
    callers = [lane for lane in devices if lane["role"] == "caller"]
    return [*callers, server, *(lane for lane in devices if lane["role"] != "caller")]


def codecs_of(text: str) -> str:
    """Codecs of the body's audio, "PCMA, G722"; the direction too when it is not both ways."""
    _head, _blank, body = text.partition("\r\n\r\n")
    if not body.startswith("v="):
        return ""
    try:
        session = sdp.parse(body)
    except sdp.SdpError:
        return ""
    media = next((media for media in session.media if media.kind == "audio"), None)
    if media is None:
        return ""
    names = dict.fromkeys(codec.name for codec in media.codecs if codec.name != "telephone-event")
    words = [", ".join(names)]
    if media.direction != "sendrecv":
        words.append(media.direction)
    return " ".join(words)


def message_item(text: str) -> dict[str, Any]:
    """label, class and detail of a SIP message."""
    start = START_LINE.match(text)
    if start is None:
        return {"label": "?", "class": "warn", "detail": ""}
    detail = codecs_of(text)[:DETAIL_LIMIT]
    if start["method"]:
        return {"label": start["method"], "class": "request", "detail": detail}
    kind = {"1": "1xx", "2": "2xx"}.get(start["status"][0], "error")
    return {"label": f"{start['status']} {start['reason']}".strip(), "class": kind, "detail": detail}


def event_item(entry: dict[str, Any]) -> dict[str, Any]:
    """label, class and detail of a media or call event."""
    name = str(entry.get("event") or "event")
    detail = entry.get("detail")
    pairs = detail.items() if isinstance(detail, dict) else ()
    words = [str(value) if key in PLAIN_DETAILS else f"{key} {value}" for key, value in pairs]
    text = ", ".join(words)[:DETAIL_LIMIT]
    odd = any(word in f"{name} {text}".lower() for word in WARNINGS)
    return {"label": name, "class": "warn" if odd else "media", "detail": text}


class LaneFinder:
    """Which lane a trace entry belongs to: its leg, else the leg that was seen at the same remote address."""

    def __init__(self, lanes: list[dict[str, Any]], entries: list[dict[str, Any]]) -> None:
        self.first = next(lane["id"] for lane in lanes if lane["id"] != SERVER)
        self.by_remote = {
            self.remote(entry): str(entry["leg"])
            for entry in entries
            if entry.get("leg") and self.remote(entry)
        }

    @staticmethod
    def remote(entry: dict[str, Any]) -> str:
        flow = entry.get("flow")
        return str(flow.get("remote") or "") if isinstance(flow, dict) else ""

    def find(self, entry: dict[str, Any]) -> str:
        return str(entry.get("leg") or self.by_remote.get(self.remote(entry)) or self.first)


def ladder(call: Call, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """{"lanes", "items"} for the page; times count from the first INVITE, or from the record's `created`."""
    lanes = lanes_of(call, entries)
    finder = LaneFinder(lanes, entries)
    invites = (entry for entry in entries if str(entry.get("text") or "").startswith("INVITE "))
    zero = float(next(invites, {"t": call.created.timestamp()})["t"])
    items = []
    for entry in entries:
        lane, time = finder.find(entry), float(entry.get("t", zero))
        item = {
            "t": round(time - zero, 4),
            "time": time,
            "kind": "event",
            "from": lane,
            "to": SERVER,
            "text": None,
        }
        if entry.get("kind") == "sip":
            text = str(entry.get("text") or "")
            outward = entry.get("dir") == "out"
            ends = {"from": SERVER, "to": lane} if outward else {}
            items.append({**item, **ends, "kind": "sip", "text": text, **message_item(text)})
        else:
            items.append({**item, **event_item(entry)})
    return {"lanes": lanes, "items": items}
