"""An NG client for tests: asks, checks that the answer is ok, and listens to events."""

import asyncio
import itertools
from collections.abc import Callable

from gateway.config import Config, Interface
from gateway.gateway import Gateway
from tests.ports import own_block
from ucplatform import ng

WEBRTC = {"transport-protocol": "UDP/TLS/RTP/SAVPF", "ICE": "force", "DTLS": "passive", "SDES": ["off"]}
PHONE = {"transport-protocol": "RTP/AVP", "ICE": "remove", "DTLS": "off", "SDES": ["off"]}
LOOP = Interface("loop", "127.0.0.1", "127.0.0.1")

Event = dict[str, ng.Value]


def config(**changes: object) -> Config:
    """A gateway on loopback with 200 free media ports."""
    first, last = own_block().take_range(200)
    settings: dict[str, object] = {
        "ng_host": "127.0.0.1",
        "ng_port": 0,
        "first_port": first,
        "last_port": last,
        "interfaces": (LOOP,),
        **changes,
    }
    return Config(**settings)  # type: ignore[arg-type]


class Refused(Exception):
    """The gateway answered with an error; the text is its reason."""


class Control(asyncio.DatagramProtocol):
    """Requests by UDP and bencode. `events` is what the gateway has told so far."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._cookies = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[dict[str, ng.Value]]] = {}
        self.events: list[Event] = []
        self._watchers: list[tuple[Callable[[Event], bool], asyncio.Future[Event]]] = []

    @classmethod
    async def open(cls, gateway: Gateway) -> "Control":
        control = cls(gateway)
        loop = asyncio.get_running_loop()
        control.transport, _ = await loop.create_datagram_endpoint(
            lambda: control, remote_addr=("127.0.0.1", gateway.port)
        )
        gateway.events.subscribe(control._event, "", 0)
        return control

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        cookie, reply = ng.decode(data)
        waiting = self._waiting.pop(cookie, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

    def _event(self, event: Event) -> None:
        self.events.append(event)
        for watcher in list(self._watchers):
            matches, future = watcher
            if matches(event):
                self._watchers.remove(watcher)
                if not future.done():
                    future.set_result(event)

    async def event(self, kind: str, seconds: float = 10.0, **detail: object) -> Event:
        """The first event of this kind and these details, now or to come."""

        def matches(event: Event) -> bool:
            return event["event"] == kind and all(event.get(key) == value for key, value in detail.items())

        for event in self.events:
            if matches(event):
                return event
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._watchers.append((matches, future))
        return await asyncio.wait_for(future, seconds)

    async def ask(self, command: str, call_id: str | None = None, **keys: object) -> dict[str, ng.Value]:
        """One request; Refused with the reason when the answer is an error. `_` in keys stands for '-'."""
        cookie = f"test{next(self._cookies)}"
        future = self._waiting[cookie] = asyncio.get_running_loop().create_future()
        message = {"command": command, "call-id": call_id}
        message |= {key.replace("_", "-"): value for key, value in keys.items()}
        self.transport.sendto(ng.encode(cookie, message))
        reply = await asyncio.wait_for(future, 10)
        if reply["result"] == "error":
            raise Refused(reply["error-reason"])
        return reply

    async def body(self, command: str, call_id: str, profile: dict[str, object], **keys: object) -> str:
        """A request whose answer is SDP."""
        reply = await self.ask(command, call_id, **{**profile, **keys})
        body = reply["sdp"]
        assert isinstance(body, str)
        return body

    def close(self) -> None:
        self.gateway.events.unsubscribe(self._event)
        self.transport.close()
