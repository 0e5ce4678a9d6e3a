"""What happened to media: numbered, kept for a while, told to every subscriber (ARCHITECTURE section 2)."""

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable

logger = logging.getLogger("gateway.events")

KEPT = 4096

Value = str | int | float
Event = dict[str, Value]
Subscriber = Callable[[Event], None]


class EventLog:
    """Sequence numbers begin at the start time, so a restarted gateway is above all that it gave before."""

    def __init__(self) -> None:
        self.last = int(time.time() * 1000)
        self.instance = secrets.token_hex(8)  # another one says that this is another process
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._subscribers: dict[Subscriber, str] = {}

    def add(self, kind: str, call_id: str, leg_id: str, **detail: Value) -> None:
        """Number an event, keep it and hand it out. `detail` must be encodable by NG."""
        self.last += 1
        event: Event = {
            "event": kind,
            "seq": self.last,
            "time": round(time.time(), 3),
            "call-id": call_id,
            "tag": leg_id,
            **detail,
        }
        self._kept.append(event)
        logger.info("call=%s leg=%s %s %s", call_id, leg_id, kind, detail or "")
        for subscriber in list(self._subscribers):
            subscriber(event)

    def subscribe(self, subscriber: Subscriber, name: str, since: int) -> None:
        """Hand out what is kept after `since`, then everything to come. `name` says which edge listens."""
        for event in self._kept:
            sequence = event["seq"]
            if isinstance(sequence, int) and sequence > since:
                subscriber(event)
        self._subscribers[subscriber] = name

    def unsubscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.pop(subscriber, None)

    @property
    def names(self) -> set[str]:
        """The edges that listen now."""
        return set(self._subscribers.values())
