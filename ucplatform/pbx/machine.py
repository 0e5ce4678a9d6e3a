"""What can happen in which state: one table. An absent row means: a request is answered 481, all else is
ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ucplatform.pbx import answer, ending, progress, setup
from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import Command
from ucplatform.pbx.features import (
    delayed,
    early,
    grace,
    pickup,
    redirect,
    refresh,
    reoffer,
    requests,
    takeover,
    transfer,
)
from ucplatform.pbx.inputs import (
    AckIn,
    AckMissing,
    Cancelled,
    DeviceBack,
    FlowLost,
    GivenAway,
    HangUp,
    InDialog,
    Input,
    InviteIn,
    LegMoved,
    MediaDone,
    MediaEvent,
    MediaFailed,
    NoReply,
    NumberFound,
    PrackMissing,
    ReferIn,
    ReplaceIn,
    Reply,
    Restored,
    Timeout,
)

Handler = Callable[[Call, Any, float], None]


def _ringing_timeout(call: Call, event: Timeout, now: float) -> None:
    handler = ending.nobody_answered if event.name == "ring" else setup.reconnect_over
    handler(call, event, now)


def _answering_flow_lost(call: Call, event: FlowLost, now: float) -> None:
    ending.caller_flow_lost(call, event, now)
    grace.flow_lost(call, event, now)


def _transfer_reply(call: Call, event: Reply, now: float) -> None:
    if not transfer.replied(call, event, now):
        answer.device_replied(call, event, now)


def _transfer_silence(call: Call, event: NoReply, now: float) -> None:
    if not transfer.silent(call, event, now):
        answer.device_silent(call, event, now)


#: What a timer, an answer or an engine's word belongs to, by the first part of its name.
_TIMEOUTS: dict[str, Handler] = {
    "exchange": reoffer.overdue,
    "glare": reoffer.glare_over,
    "grace": grace.timeout,
    "refresh": refresh.timeout,
    "transfer": transfer.timeout,
}
_REPLIES: dict[str, Handler] = {
    "reinvite": reoffer.replied,
    "refresh": reoffer.refreshed,
    "transfer": _transfer_reply,
    "notify": transfer.notified,
}
_SILENCES: dict[str, Handler] = {
    "reinvite": reoffer.silent,
    "refresh": refresh.silent,
    "transfer": _transfer_silence,
}
_MEDIA: dict[str, Handler] = {
    "takeover": takeover.media_done,
    "release": takeover.released,
    "settle": delayed.media_done,
    "early-offer": early.media_done,
    "early-answer": early.media_done,
    "transfer-offer": transfer.media_done,
    "transfer-answer": transfer.media_done,
    "adopt": transfer.media_done,
}
_NO_MEDIA: dict[str, Handler] = {
    "takeover": takeover.media_failed,
    "settle": delayed.media_failed,
    "early-offer": early.media_failed,
    "early-answer": early.media_failed,
    "accept": delayed.media_failed,
    "transfer-offer": transfer.media_failed,
    "transfer-answer": transfer.media_failed,
    "adopt": transfer.media_failed,
}


def _ringing_media(call: Call, event: MediaDone, now: float) -> None:
    handler: Handler = early.media_done if event.ref in early.QUESTIONS else setup.media_ready
    handler(call, event, now)


def _ringing_no_media(call: Call, event: MediaFailed, now: float) -> None:
    handler: Handler = early.media_failed if event.ref in early.QUESTIONS else setup.media_refused
    handler(call, event, now)


def _answering_media(call: Call, event: MediaDone, now: float) -> None:
    handler: Handler = pickup.media_done if event.ref in pickup.QUESTIONS else answer.answer_ready
    (early.media_done if event.ref in early.QUESTIONS else handler)(call, event, now)


def _answering_no_media(call: Call, event: MediaFailed, now: float) -> None:
    handler: Handler = early.media_failed if event.ref in early.QUESTIONS else answer.answer_refused
    handler(call, event, now)


def _talking_timeout(call: Call, event: Timeout, now: float) -> None:
    _TIMEOUTS.get(event.name.partition(":")[0], grace.timeout)(call, event, now)


def _talking_reply(call: Call, event: Reply, now: float) -> None:
    _REPLIES.get(event.purpose, answer.device_replied)(call, event, now)


def _talking_silence(call: Call, event: NoReply, now: float) -> None:
    _SILENCES.get(event.purpose, answer.device_silent)(call, event, now)


def _talking_media(call: Call, event: MediaDone, now: float) -> None:
    handler: Handler = _MEDIA.get(event.ref.partition(":")[0], reoffer.media_done)
    handler(call, event, now)


def _talking_no_media(call: Call, event: MediaFailed, now: float) -> None:
    _NO_MEDIA.get(event.ref.partition(":")[0], reoffer.media_failed)(call, event, now)


TABLE: dict[tuple[str, type], Handler] = {
    ("new", InviteIn): setup.place,
    # devices ring
    ("ringing", MediaDone): _ringing_media,
    ("ringing", MediaFailed): _ringing_no_media,
    ("ringing", Reply): answer.device_replied,
    ("ringing", NoReply): answer.device_silent,
    ("ringing", NumberFound): redirect.found,
    ("ringing", ReplaceIn): pickup.pick_up,
    ("ringing", Cancelled): ending.caller_cancelled,
    ("ringing", InDialog): requests.in_dialog,
    ("ringing", Timeout): _ringing_timeout,
    ("ringing", FlowLost): ending.caller_flow_lost,
    ("ringing", PrackMissing): progress.prack_missing,
    ("ringing", DeviceBack): setup.device_back,
    ("ringing", LegMoved): grace.leg_moved,
    ("ringing", HangUp): ending.hang_up,
    # a device has won, the engine prepares the caller's answer
    ("answering", MediaDone): _answering_media,
    ("answering", MediaFailed): _answering_no_media,
    ("answering", Reply): answer.device_replied,
    ("answering", NoReply): answer.device_silent,
    ("answering", Cancelled): ending.caller_cancelled,
    ("answering", InDialog): requests.in_dialog,
    ("answering", PrackMissing): progress.prack_missing,
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
    ("talking", Cancelled): reoffer.cancelled,
    ("talking", AckIn): delayed.acknowledged,
    ("talking", AckMissing): grace.ack_missing,
    ("talking", PrackMissing): progress.prack_missing,
    ("talking", Restored): refresh.restored,
    ("talking", FlowLost): grace.flow_lost,
    ("talking", DeviceBack): grace.device_back,
    ("talking", LegMoved): grace.leg_moved,
    ("talking", Timeout): _talking_timeout,
    ("talking", ReplaceIn): takeover.take_over,
    ("talking", ReferIn): transfer.refer,
    ("talking", GivenAway): transfer.given_away,
    ("talking", HangUp): ending.hang_up,
    # only what crossed our end still comes
    ("over", Reply): answer.late_reply,
    ("over", NoReply): answer.device_silent,
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
    elif isinstance(event, ReferIn):
        transfer.refuse(call, event)
    commands, call.todo = call.todo, []
    return commands
