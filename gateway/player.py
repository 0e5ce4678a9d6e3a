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
    """Plays into any number of legs at once, into each one press after the other."""

    def __init__(self) -> None:
        self._playing: dict[Termination, asyncio.Task[None]] = {}
        self._waiting: dict[Termination, list[list[TelephoneEvent]]] = {}

    def play(self, leg: Termination, digits: str, duration_ms: int) -> None:
        """Let the far end of `leg` hear the keys; GatewayError when it takes no telephone events."""
        sound = leg.codec
        choices = events(leg.agreed)
        if not leg.can_send or sound is None or not choices:
            raise GatewayError(f"leg {leg.id} does not take telephone-event")
        codec = next((choice for choice in choices if choice.clock == sound.clock), choices[0])
        waiting = self._waiting.setdefault(leg, [])
        waiting += [press(digit, duration_ms, codec.clock) for digit in digits]
        if leg not in self._playing:
            task = asyncio.create_task(self._run(leg, codec.payload, sound.clock))
            self._playing[leg] = task
            task.add_done_callback(lambda _: self._finished(leg))

    def _finished(self, leg: Termination) -> None:
        self._playing.pop(leg, None)
        self._waiting.pop(leg, None)

    async def _run(self, leg: Termination, payload_type: int, clock: int) -> None:
        """What else feeds the stream is kept out meanwhile."""
        presses = self._waiting[leg]
        leg.out.hold()
        try:
            while presses and leg.can_send:
                await self._press(leg, payload_type, clock, presses.pop(0))
                await asyncio.sleep(PAUSE)
        finally:
            leg.out.release()

    async def _press(
        self, leg: Termination, payload_type: int, clock: int, packets: list[TelephoneEvent]
    ) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        # One timestamp for all packets of a press: when it began (RFC 4733 section 2.2.1).
        timestamp = leg.out.next_timestamp(clock, began)
        for index, event in enumerate(packets):
            if not leg.can_send:
                return
            second = payload_type if index else payload_type | MARKER
            leg.out.append(second, timestamp, bytes(event), began)
            await asyncio.sleep(max(began + (index + 1) * INTERVAL - loop.time(), 0))

    async def close(self) -> None:
        """Stop all that plays."""
        tasks = list(self._playing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
