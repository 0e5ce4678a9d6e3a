"""Streams of sound through a media engine: SRTP (AES-GCM, keyed by the description) on one side, plain RTP on
the other. They are made and counted by the relay's own thread in C, so that one core can drive 500 calls."""

import asyncio
import itertools
import os
import socket
from collections.abc import Sequence

from bench_engines import Engine

from gateway import srtp
from gateway.carrier import Address, Guard, Port
from gateway.description import Description, read
from gateway.native import NativeCarrier, NativeRelay
from gateway.relay import NOWHERE
from ucplatform import ng
from ucplatform.sdp import SUITES, Crypto

SUITE = "AEAD_AES_128_GCM"
PACKETS_A_SECOND = 50
SLOTS = 20  # parts of a packet's time in which calls take turns, as they would
PLAIN = {"transport-protocol": "RTP/AVP", "ICE": "remove", "DTLS": "off", "SDES": ["off"]}
SECURE = {"transport-protocol": "RTP/SAVP", "ICE": "remove", "DTLS": "off"}
HEAD = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"


class Control(asyncio.DatagramProtocol):
    """NG requests, one after the other."""

    def __init__(self) -> None:
        self._cookies = itertools.count()
        self._prefix = os.urandom(6).hex()
        self._reply: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(data)

    async def body(self, command: str, call: int, **keys: object) -> Description:
        """What the engine's SDP says."""
        self._reply = asyncio.get_running_loop().create_future()
        message = {"command": command, "call-id": f"bench-{self._prefix}-{call}"}
        message |= {key.replace("_", "-"): value for key, value in keys.items()}
        self.transport.sendto(ng.encode(f"{self._prefix}{next(self._cookies)}", message))
        _, reply = ng.decode(await asyncio.wait_for(self._reply, 10))
        if reply["result"] != "ok":
            raise SystemExit(f"{command}: {reply}")
        return read(str(reply["sdp"]))


class Call:
    """Both telephones' sockets and what was agreed for them: `towards[0]` is the engine's address for the one
    with SRTP, `towards[1]` for the plain one. `theirs` is the engine's key."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.sockets = (_socket(), _socket())
        self.mine = Crypto(1, SUITE, os.urandom(SUITES[SUITE]))

    async def set_up(self, control: Control) -> None:
        """The one with SRTP calls, the other answers."""
        secure, plain = (sock.getsockname()[1] for sock in self.sockets)
        tags = {"from_tag": f"a{self.number}", "via_branch": f"b{self.number}"}
        offer = f"{HEAD}m=audio {secure} RTP/SAVP 0\r\na=crypto:{self.mine}\r\n"
        given = await control.body("offer", self.number, sdp=offer, **tags, **PLAIN)
        answer = f"{HEAD}m=audio {plain} RTP/AVP 0\r\n"
        told = await control.body(
            "answer", self.number, sdp=answer, to_tag=f"b{self.number}", **tags, **SECURE
        )
        if given.rtp is None or told.rtp is None:
            raise SystemExit("the engine offered no address")
        self.towards = told.rtp, given.rtp
        self.theirs = next(crypto for crypto in told.crypto if crypto.suite == SUITE)

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.bind(("127.0.0.1", 0))
    return sock


class Side:
    """One telephone: a leg of the generator's relay."""

    def __init__(self, relay: NativeRelay, guard: Guard) -> None:
        self.carrier: NativeCarrier = relay.carrier(self, guard)
        self.carrier.route({0: NOWHERE}, {0: 8000})

    async def open(self, sock: socket.socket, towards: Address) -> None:
        port = await self.carrier.listen(sock)
        self.carrier.peer(port, towards, locked=True)

    @property
    def counted(self) -> tuple[int, int]:
        """Packets sent, packets heard."""
        self.carrier.refresh()
        return self.carrier.out.packets, self.carrier.received.packets

    def raw(self, port: Port, data: bytes, address: Address) -> None:
        return

    def learn(self, data: bytes, address: Address) -> None:
        return

    def rtcp_received(self, data: bytes) -> None:
        return

    def begun(self, payload_type: int) -> None:
        return


class Streams:
    """So many calls through one engine, both sides speaking; use as an asynchronous context."""

    def __init__(self, engine: Engine, calls: int, payload: int) -> None:
        self._engine, self._payload = engine, bytes(range(256)) * (payload // 256 + 1)
        self._size = payload
        self._relay = NativeRelay()
        self.calls = [Call(number) for number in range(calls)]
        self.sides: list[Side] = []

    async def __aenter__(self) -> "Streams":
        loop = asyncio.get_running_loop()
        _, self._control = await loop.create_datagram_endpoint(
            Control, remote_addr=("127.0.0.1", self._engine.port)
        )
        for call in self.calls:
            await call.set_up(self._control)
            for place, guard in enumerate((Guard.SDES, Guard.NONE)):
                side = Side(self._relay, guard)
                await side.open(call.sockets[place], call.towards[place])
                if guard is Guard.SDES:
                    receiving = srtp.session(call.theirs, sending=False)
                    side.carrier.secure_with(receiving, srtp.session(call.mine, sending=True))
                self.sides.append(side)
        return self

    async def __aexit__(self, *_: object) -> None:
        for side in self.sides:
            side.carrier.close()
        self._relay.close()
        for call in self.calls:
            call.close()
        self._control.transport.close()

    async def talk(self, seconds: float) -> None:
        """Everybody, at an even pace."""
        loop = asyncio.get_running_loop()
        parts = [self.sides[place::SLOTS] for place in range(SLOTS)]
        payload, begun = self._payload[: self._size], loop.time()
        for turn in range(int(seconds * PACKETS_A_SECOND) * SLOTS):
            self._say(parts[turn % SLOTS], turn // SLOTS, payload)
            await asyncio.sleep(max(begun + (turn + 1) / PACKETS_A_SECOND / SLOTS - loop.time(), 0))

    def _say(self, sides: Sequence[Side], number: int, payload: bytes) -> None:
        now = self._relay.time()
        for side in sides:
            side.carrier.out.append(0, number * 160, payload, now)

    async def counted(self) -> tuple[int, int]:
        """All packets sent so far, and all heard, once what is under way has come."""
        await asyncio.sleep(0.5)
        found = [side.counted for side in self.sides]
        return sum(sent for sent, _ in found), sum(heard for _, heard in found)
