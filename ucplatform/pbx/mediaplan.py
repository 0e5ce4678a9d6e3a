"""What call control asks of a media engine, as NG dictionaries (the keys are rtpengine's, the tags our
leg ids)."""

from __future__ import annotations

from typing import Any

from ucplatform.pbx.leg import Leg
from ucplatform.pbx.ports import House

Command = dict[str, Any]


def _towards(leg: Leg, mux: str) -> Command:
    """How the SDP that goes to `leg` is to look (RFC 8827 for browsers, RFC 3551 or 3711 for phones)."""
    if leg.browser:
        return {
            "transport-protocol": "UDP/TLS/RTP/SAVPF",
            "ICE": "force",
            "DTLS": "passive",
            "SDES": ["off"],
            "rtcp-mux": [mux],
        }
    return {
        "transport-protocol": "RTP/SAVP" if leg.srtp else "RTP/AVP",
        "ICE": "remove",
        "DTLS": "off",
        **({} if leg.srtp else {"SDES": ["off"]}),
        "rtcp-mux": ["demux"],
    }


def _seen(leg: Leg) -> Command:
    """Where the leg that wrote this SDP signals from: the engine believes no stranger's packets more
    than these.

    A browser's packets prove themselves by ICE; its signalling comes through a proxy.
    """
    if leg.browser:
        return {}
    address = leg.flow.peer[0]
    return {"received-from": ["IP6" if ":" in address else "IP4", address]}


def _interfaces(house: House, *legs: Leg) -> Command:
    names = [house.interface(leg.flow) for leg in legs]
    return {"direction": names} if all(names) else {}


def offer(call_id: str, house: House, caller: Leg, callee: Leg) -> Command:
    """The caller's SDP for one device of the callee: each device is a branch of its own."""
    return {
        "command": "offer",
        "call-id": call_id,
        "from-tag": caller.id,
        "via-branch": callee.id,
        "sdp": caller.session.received,
        **_seen(caller),
        **_towards(callee, "offer"),
        **_interfaces(house, caller, callee),
    }


def answer(call_id: str, caller: Leg, winner: Leg, sdp: str) -> Command:
    """The winner's SDP for the caller. Never sent for another branch."""
    return {
        "command": "answer",
        "call-id": call_id,
        "from-tag": caller.id,
        "to-tag": winner.id,
        "via-branch": winner.id,
        "sdp": sdp,
        **_seen(winner),
        **_towards(caller, "accept"),
    }


def reoffer(call_id: str, house: House, source: Leg, target: Leg, sdp: str) -> Command:
    """A new offer inside a call, from either side; ports stay."""
    return {
        "command": "offer",
        "call-id": call_id,
        "from-tag": source.id,
        "to-tag": target.id,
        "sdp": sdp,
        **_seen(source),
        **_towards(target, "offer"),
        **_interfaces(house, source, target),
    }


def reanswer(call_id: str, source: Leg, target: Leg, sdp: str) -> Command:
    """The answer of `target` to the offer that `source` made."""
    return {
        "command": "answer",
        "call-id": call_id,
        "from-tag": source.id,
        "to-tag": target.id,
        "sdp": sdp,
        **_seen(target),
        **_towards(source, "accept"),
    }


def _delete(call_id: str, leg: Leg, **more: str) -> Command:
    """At once: an rtpengine would keep the ports for half a minute."""
    return {"command": "delete", "call-id": call_id, "from-tag": leg.id, "delete-delay": 0, **more}


def drop(call_id: str, caller: Leg, leg: Leg) -> Command:
    """One branch less: its ports are free at once, the others flow on."""
    return _delete(call_id, caller, **{"via-branch": leg.id})


def delete(call_id: str, caller: Leg) -> Command:
    """The whole call; the reply carries the statistics of every leg."""
    return _delete(call_id, caller)


def terminate(call_id: str, house: House, leg: Leg, sdp: str, prefer: list[str] | None = None) -> Command:
    """The leg's SDP answered by the gateway itself (own verb); without one, an offer for the leg."""
    command = {
        "command": "terminate",
        "call-id": call_id,
        "from-tag": leg.id,
        **({"sdp": sdp} if sdp else {}),
        **_seen(leg),
        **_towards(leg, "accept" if sdp else "offer"),
        **_interfaces(house, leg),
    }
    if prefer:
        command["codec-prefer"] = prefer
    return command


def accept(call_id: str, leg: Leg, sdp: str) -> Command:
    """The answer to what `terminate` offered (own verb)."""
    return {"command": "accept", "call-id": call_id, "from-tag": leg.id, "sdp": sdp, **_seen(leg)}


def adopt(call_id: str, leg: Leg, other_call: str, other_leg: str) -> Command:
    """A termination changes from one call of the engine to another, with its ports and keys (own verb)."""
    return {
        "command": "adopt",
        "call-id": call_id,
        "from-tag": leg.id,
        "other-call-id": other_call,
        "other-tag": other_leg,
    }


def attach(call_id: str, leg: Leg, other: Leg) -> Command:
    return {"command": "attach", "call-id": call_id, "from-tag": leg.id, "to-tag": other.id}


def attach_application(call_id: str, leg: Leg, application: str) -> Command:
    return {"command": "attach", "call-id": call_id, "from-tag": leg.id, "application": application}


def release(call_id: str, leg: Leg) -> Command:
    """One termination of a call that goes on without it."""
    return _delete(call_id, leg, **{"via-branch": leg.id})


def dtmf(call_id: str, leg: Leg, digit: str, milliseconds: int) -> Command:
    """`leg` pressed a key (SIP INFO): the other side hears it by RFC 4733."""
    return {
        "command": "play DTMF",
        "call-id": call_id,
        "from-tag": leg.id,
        "code": digit,
        "duration": milliseconds,
    }
