"""The event stream of one engine: subscribe over TCP, go on where it broke off."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ucplatform import ng
from ucplatform.media.engine import split_address
from ucplatform.media.errors import EngineError

log = logging.getLogger("ucplatform.media")

Event = dict[str, ng.Value]
FIRST_DELAY, LAST_DELAY = 0.1, 5.0  # seconds between attempts, doubling
REFUSED_DELAY = 60.0  # an rtpengine has no events for us, and will have none in a second either
QUIET, PATIENCE = 10.0, 5.0  # seconds of silence before a ping, and for its reply


class EventStream:
    """Hands each event once, in order, to `callback`, with the key "engine" added.

    When the engine's instance is another than before, its sequence begins anew and whatever calls it had are
    gone: the callback first gets {"event": "engine-restarted", "engine": address}.
    """

    def __init__(self, address: str, subscriber: str, callback: Callable[[Event], None]) -> None:
        self._address = address
        self._subscriber = subscriber
        self._callback = callback
        self._since = 0
        self._instance: str | None = None
        self._delay = FIRST_DELAY
        self._serial = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._session()
            except EngineError as error:
                log.info("engine %s gives no events: %s", self._address, error)
                self._delay = REFUSED_DELAY
            except (OSError, TimeoutError, ng.NgError) as error:
                log.debug("event stream of engine %s broke: %s", self._address, error)
            await asyncio.sleep(self._delay)
            self._delay = min(self._delay * 2, LAST_DELAY)

    async def _session(self) -> None:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(*split_address(self._address)), PATIENCE
        )
        try:
            self._send(writer, {"command": "subscribe", "subscriber": self._subscriber, "since": self._since})
            await self._read(reader, writer)
        finally:
            writer.close()

    def _send(self, writer: asyncio.StreamWriter, message: dict[str, object]) -> None:
        self._serial += 1
        writer.write(ng.encode(f"{self._subscriber}-{self._serial}", message))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = ng.StreamFramer()
        asked = True  # the subscription itself is a question
        while True:
            try:
                data = await asyncio.wait_for(reader.read(65536), PATIENCE if asked else QUIET)
            except TimeoutError:
                if asked:
                    raise
                self._send(writer, {"command": "ping"})
                asked = True
                continue
            if not data:
                raise ConnectionResetError("closed by the engine")
            asked = False
            for cookie, message in framer.feed(data):
                if cookie == "event":
                    self._event(message)
                elif message.get("result") != "pong" and not self._subscribed(message):
                    return

    def _subscribed(self, reply: Event) -> bool:
        """Note which instance answered; False when the subscription must be made again from the beginning."""
        if reply.get("result") != "ok":
            raise EngineError(str(reply.get("error-reason", "subscription refused")))
        self._delay = FIRST_DELAY
        instance = str(reply.get("instance", ""))
        before, self._instance = self._instance, instance
        if before is None or before == instance:
            return True
        log.warning("engine %s restarted", self._address)
        again = self._since > 0
        self._since = 0
        self._call({"event": "engine-restarted"})
        return not again

    def _event(self, event: Event) -> None:
        sequence = event.get("seq")
        if not isinstance(sequence, int) or sequence <= self._since:
            return  # replayed, and known
        self._since = sequence
        self._call(event)

    def _call(self, event: Event) -> None:
        try:
            self._callback({**event, "engine": self._address})
        except Exception:
            # A mistake in one call's handling must not cost every other call its events.
            log.exception("event %s of engine %s", event.get("event"), self._address)
