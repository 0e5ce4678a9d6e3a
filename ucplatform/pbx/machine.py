"""What can happen in which state: one table. An absent row means: a request is answered 481, all else is
ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ucplatform.pbx import ending, setup
from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import Command
from ucplatform.pbx.features import grace, reinvite, requests, takeover
from ucplatform.pbx.inputs import (
    AckMissing,
    Cancelled,
    DeviceBack,
    FlowLost,
    HangUp,
    InDialog,
    Input,
    InviteIn,
    LegMoved,
    MediaDone,
    MediaEvent,
    MediaFailed,
    NoReply,
    ReplaceIn,
    Reply,
    Timeout,
)

Handler = Callable[[Call, Any, float], None]


def _ringing_timeout(call: Call, event: Timeout, now: float) -> None:
    handler = ending.nobody_answered if event.name == "ring" else setup.reconnect_over
    handler(call, event, now)


def _answering_flow_lost(call: Call, event: FlowLost, now: float) -> None:
    ending.caller_flow_lost(call, event, now)
    grace.flow_lost(call, event, now)


def _talking_timeout(call: Call, event: Timeout, now: float) -> None:
    handler = reinvite.overdue if event.name == "exchange" else grace.timeout
    handler(call, event, now)


def _talking_reply(call: Call, event: Reply, now: float) -> None:
    handler = reinvite.replied if event.purpose == "reinvite" else setup.device_replied
    handler(call, event, now)


def _talking_silence(call: Call, event: NoReply, now: float) -> None:
    handler = reinvite.silent if event.purpose == "reinvite" else setup.device_silent
    handler(call, event, now)


def _talking_media(call: Call, event: MediaDone, now: float) -> None:
    verb = event.ref.partition(":")[0]
    handler = {"takeover": takeover.media_done, "release": takeover.released}.get(verb, reinvite.media_done)
    handler(call, event, now)


def _talking_no_media(call: Call, event: MediaFailed, now: float) -> None:
    handler = takeover.media_failed if event.ref == "takeover" else reinvite.media_failed
    handler(call, event, now)


TABLE: dict[tuple[str, type], Handler] = {
    ("new", InviteIn): setup.place,
    # devices ring
    ("ringing", MediaDone): setup.media_ready,
    ("ringing", MediaFailed): setup.media_refused,
    ("ringing", Reply): setup.device_replied,
    ("ringing", NoReply): setup.device_silent,
    ("ringing", Cancelled): ending.caller_cancelled,
    ("ringing", InDialog): requests.in_dialog,
    ("ringing", Timeout): _ringing_timeout,
    ("ringing", FlowLost): ending.caller_flow_lost,
    ("ringing", DeviceBack): setup.device_back,
    ("ringing", LegMoved): grace.leg_moved,
    ("ringing", HangUp): ending.hang_up,
    # a device has won, the engine prepares the caller's answer
    ("answering", MediaDone): setup.answer_ready,
    ("answering", MediaFailed): setup.answer_refused,
    ("answering", Reply): setup.device_replied,
    ("answering", NoReply): setup.device_silent,
    ("answering", Cancelled): ending.caller_cancelled,
    ("answering", InDialog): requests.in_dialog,
    ("answering", FlowLost): _answering_flow_lost,
    ("answering", Timeout): grace.timeout,
    ("answering", LegMoved): grace.leg_moved,
    ("answering", HangUp): ending.hang_up,
    # the call is up
    ("talking", InDialog): requests.in_dialog,
    ("talking", Reply): _talking_reply,
    ("talking", NoReply): _talking_silence,
    ("talking", MediaDone): _talking_media,
    ("talking", MediaFailed): _talking_no_media,
    ("talking", MediaEvent): grace.media_event,
    ("talking", AckMissing): grace.ack_missing,
    ("talking", FlowLost): grace.flow_lost,
    ("talking", DeviceBack): grace.device_back,
    ("talking", LegMoved): grace.leg_moved,
    ("talking", Timeout): _talking_timeout,
    ("talking", ReplaceIn): takeover.take_over,
    ("talking", HangUp): ending.hang_up,
    # only what crossed our end still comes
    ("over", Reply): setup.device_replied,
    ("over", NoReply): setup.device_silent,
    ("over", MediaDone): ending.statistics,
    ("over", MediaFailed): ending.no_statistics,
    ("over", Timeout): ending.over_timeout,
}


def receive(call: Call, event: Input, now: float) -> list[Command]:
    """What the call does about `event`; `now` is Unix seconds (it goes into the record)."""
    handler = TABLE.get((call.state, type(event)))
    if handler is not None:
        handler(call, event, now)
    elif isinstance(event, InDialog):
        requests.gone(call, event, now)
    elif isinstance(event, ReplaceIn):
        takeover.refuse(call, event)
    commands, call.todo = call.todo, []
    return commands
