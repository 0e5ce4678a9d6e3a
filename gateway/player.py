"""Playing key presses into a leg's stream (RFC 4733)."""

import asyncio

from gateway.dtmf import TelephoneEvent, press
from gateway.errors import GatewayError
from gateway.negotiate import events
from gateway.rtp import MARKER
from gateway.termination import Termination

INTERVAL = 0.02
PAUSE = 0.1  # between two presses, so that they are told apart


class KeyPlayer:
    """Plays into any number of legs at once, into each one sequence after the other."""

    def __init__(self) -> None:
        self._playing: dict[Termination, asyncio.Task[None]] = {}
        self._waiting: dict[Termination, list[TelephoneEvent | None]] = {}

    def play(self, leg: Termination, digits: str, duration_ms: int) -> None:
        """Let the far end of `leg` hear the keys; GatewayError when it takes no telephone events."""
        sound = leg.codec
        choices = events(leg.agreed)
        if not leg.can_send or sound is None or not choices:
            raise GatewayError(f"leg {leg.id} does not take telephone-event")
        codec = next((choice for choice in choices if choice.clock == sound.clock), choices[0])
        steps: list[TelephoneEvent | None] = []
        for digit in digits:
            steps += [*press(digit, duration_ms, codec.clock), None]
        waiting = self._waiting.setdefault(leg, [])
        waiting += steps
        if leg not in self._playing:
            task = asyncio.create_task(self._run(leg, codec.payload, sound.clock))
            self._playing[leg] = task
            task.add_done_callback(lambda _: self._finished(leg))

    def _finished(self, leg: Termination) -> None:
        self._playing.pop(leg, None)
        self._waiting.pop(leg, None)

    async def _run(self, leg: Termination, payload_type: int, clock: int) -> None:
        loop = asyncio.get_running_loop()
        out, steps = leg.out, self._waiting[leg]
        out.hold()
        try:
            due, timestamp, first = loop.time(), out.next_timestamp(clock, loop.time()), True
            while steps and leg.can_send:
                event = steps.pop(0)
                if event is None:
                    due += PAUSE
                    timestamp, first = timestamp + int((due - out.sent_at) * clock), True
                    # The next press begins after the pause; until then nothing else is heard.
                else:
                    out.append(payload_type | (MARKER if first else 0), timestamp, bytes(event), out.sent_at)
                    if first:
                        out.sent_at = due
                    due, first = due + INTERVAL, False
                await asyncio.sleep(max(due - loop.time(), 0))
        finally:
            out.release()
