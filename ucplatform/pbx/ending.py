"""The end of a call: every leg is closed, the engine gives its statistics, the record is written once."""

from __future__ import annotations

from ucplatform.pbx import mediaplan
from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import Acknowledge, CancelInvite, Forget, Note, Save, SendRequest, WriteRecord
from ucplatform.pbx.exchange import Exchange
from ucplatform.pbx.inputs import Cancelled, FlowLost, HangUp, MediaDone, MediaFailed, Timeout
from ucplatform.pbx.invite import bye, explanation, reasons
from ucplatform.pbx.leg import Leg
from ucplatform.pbx.outcome import (
    ANSWERED,
    CANCELLED,
    NO_ANSWER,
    NO_CODEC,
    Outcome,
    best,
    of_status,
)
from ucplatform.pbx.record import record_of

#: How long the engine may take for its last statistics, and a cancelled device for its 487 (RFC 3261
#: 9.1: 64*T1).
STATISTICS_SECONDS = 3.0
LINGER_SECONDS = 33.0


def end(call: Call, now: float, outcome: Outcome, by: str | None, *, spared: Leg | None = None) -> None:
    """Close every leg but `spared` (it hung up itself), ask for statistics, then write the record."""
    if call.state == "over":
        return
    call.ended, call.hung_up_by = now, by
    # A call that was answered stays answered; the cause says why it ended.
    call.outcome = (
        outcome
        if call.answered is None
        else Outcome("answered", outcome.cause, outcome.status, outcome.reason, outcome.sentence)
    )
    for name in (
        "ring",
        *(("exchange", "glare") if call.exchange is not None else ()),
        *(("transfer",) if call.transfer is not None else ()),
        *(f"refresh:{leg.id}" for leg in call.legs.values() if leg.timer.seconds),
        *(f"reconnect:{leg.id}" for leg in call.legs.values() if leg.state == "awaiting"),
        *(f"grace:{leg.id}" for leg in call.legs.values() if leg.lost),
    ):
        call.stop_timer(name)
    if call.exchange is not None:
        _drop_exchange(call, call.exchange)
    for leg in call.legs.values():
        close(call, leg, outcome, told=leg is spared)
    call.set_state("over")
    call.do(Note("ended", None, {"cause": outcome.cause, "by": by}), Save())
    if call.media:
        call.ask("delete", mediaplan.delete(call.id, call.anchor))
        call.timer("statistics", STATISTICS_SECONDS)
    else:
        write_record(call)


def _drop_exchange(call: Call, exchange: Exchange) -> None:
    """What was being negotiated ends with the call."""
    call.exchange = None
    if exchange.phase == "takeover":
        # Not bridged yet, so the engine does not end it with the others.
        leg = call.legs[exchange.target or ""]
        call.ask(f"release:{leg.id}", mediaplan.release(call.id, leg))
    elif exchange.key is not None and exchange.request is not None:
        # RFC 3261 15.1.2: what a side has still asked is answered.
        call.answer_request(call.legs[exchange.source], exchange.key, exchange.request, 487)
    callee = call.callee
    if exchange.phase == "delayed" and callee is not None and callee.dialog is not None:
        # Its 200 waits for the caller's answer; without an ACK it may not be told BYE (RFC 3261 15).
        call.do(Acknowledge(callee.id, callee.dialog.ack(callee.invite_cseq)))


def close(call: Call, leg: Leg, outcome: Outcome, *, told: bool = False) -> None:
    """End one leg in the way its state asks for (RFC 3261 9 and 15)."""
    if leg.state == "up":
        if not told:
            call.do(SendRequest(leg.id, "bye", bye(call, leg, outcome)))
        call.set_leg(leg, "over")
    elif leg.state in ("calling", "ringing"):
        call.do(CancelInvite(leg.id, call.reasons))
        call.set_leg(leg, "cancelling")
    elif leg.state in ("awaiting", "offering"):
        call.set_leg(leg, "over")
    elif leg.state == "waiting":
        if not told:
            # A takeover that the end of the call has overtaken must not hear of success.
            status, reason = (outcome.status, outcome.reason) if outcome.status >= 300 else (487, None)
            call.respond(leg, status, reason, headers=explanation(call, leg, outcome))
        call.set_leg(leg, "over")


def devices_failed(call: Call, now: float) -> None:
    """No device is left that could answer: the caller gets the best of their answers."""
    refusals = [leg.refusal for leg in call.devices]
    if refusals and all(refusals):
        end(call, now, refusals[0] or NO_CODEC, "server")
        return
    failures = [leg.failure for leg in call.devices if leg.failure]
    end(call, now, of_status(*best(failures)), None)


def write_record(call: Call) -> None:
    if call.recorded:
        return
    call.recorded = True
    call.stop_timer("statistics")
    call.do(WriteRecord(record_of(call)))
    if any(leg.state == "cancelling" for leg in call.legs.values()):
        call.timer("linger", LINGER_SECONDS)
    else:
        call.do(Forget())


# -- handlers --------------------------------------------------------------------------------------


def caller_cancelled(call: Call, event: Cancelled, now: float) -> None:
    """CANCEL before the final answer: 487 to the caller, everything else is closed (RFC 3261 9.2)."""
    call.reasons = reasons(event.request)
    end(call, now, CANCELLED, "caller")


def nobody_answered(call: Call, event: Timeout, now: float) -> None:
    end(call, now, NO_ANSWER, "server")


def caller_flow_lost(call: Call, event: FlowLost, now: float) -> None:
    """A caller whose connection goes while it rings cannot come back to this INVITE: its transaction is gone
    with it."""
    if call.caller.flow.id == event.flow_id:
        gone = Outcome("cancelled", f"{call.caller.device}_gone", 487, "Request Terminated")
        end(call, now, gone, "caller", spared=call.caller)


def statistics(call: Call, event: MediaDone, now: float) -> None:
    if event.ref == "delete":
        for tag, figures in event.reply.get("legs", {}).items():
            leg = call.known(tag)
            if leg is not None:
                leg.stats = figures
        write_record(call)


def no_statistics(call: Call, event: MediaFailed, now: float) -> None:
    if event.ref == "delete":
        write_record(call)


def over_timeout(call: Call, event: Timeout, now: float) -> None:
    if event.name == "statistics":
        write_record(call)
    elif event.name == "linger":
        call.do(Forget())


def leg_finished(call: Call, leg: Leg) -> None:
    """A cancelled device gave its last answer; a call that is over may be forgotten with the last of them."""
    call.set_leg(leg, "over")
    if (
        call.state == "over"
        and call.recorded
        and not any(d.state == "cancelling" for d in call.legs.values())
    ):
        call.stop_timer("linger")
        call.do(Forget())


def hang_up(call: Call, event: HangUp, now: float) -> None:
    end(
        call,
        now,
        Outcome(ANSWERED.result if call.answered else "cancelled", event.cause, 480, "Ended By Server"),
        "server",
    )
