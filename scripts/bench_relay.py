"""What a call between a browser and a telephone costs the engine that relays it: SRTP on one side, RTP on the
other, 50 packets a second each way."""

import asyncio
import itertools
import socket
from collections.abc import Iterator

from aiortc import RTCCertificate, RTCIceCandidate
from bench_engines import Engine, gateway, rtpengine, rtpengine_program
from bench_figure import Figure, cpu

from gateway.carrier import Address, Guard, Port, PythonCarrier
from gateway.description import Description, read
from gateway.ortc import RemoteParameters, SecureTransport
from gateway.rtp import Packet
from ucplatform import ng

CALLS = 10
SECONDS = 6
PACKETS_A_SECOND = 50
PAYLOAD = bytes(range(160))
PHONE = {"transport-protocol": "RTP/AVP", "ICE": "remove", "DTLS": "off", "SDES": ["off"]}
BROWSER = {"transport-protocol": "UDP/TLS/RTP/SAVPF", "ICE": "force", "DTLS": "passive", "SDES": ["off"]}


class Control(asyncio.DatagramProtocol):
    """NG requests, one after the other."""

    def __init__(self) -> None:
        self._cookies = itertools.count()
        self._reply: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(data)

    async def body(self, command: str, call: int, **keys: object) -> Description:
        """What the engine's SDP says."""
        self._reply = asyncio.get_running_loop().create_future()
        message = {"command": command, "call-id": f"bench-{id(self)}-{call}"}
        message |= {key.replace("_", "-"): value for key, value in keys.items()}
        self.transport.sendto(ng.encode(f"b{id(self)}{next(self._cookies)}", message))
        _, reply = ng.decode(await asyncio.wait_for(self._reply, 10))
        if reply["result"] != "ok":
            raise SystemExit(f"{command}: {reply}")
        return read(str(reply["sdp"]))


class Phone(asyncio.DatagramProtocol):
    """The telephone's socket; counts the sound that comes in."""

    def __init__(self) -> None:
        self.heard = 0
        self.towards = ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    @property
    def port(self) -> int:
        return int(self.transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.heard += not 192 <= data[1] <= 223


class Counted:
    """A route that counts."""

    def __init__(self) -> None:
        self.packets = 0

    def forward(self, data: bytes, second: int, sequence: int, timestamp: int, ssrc: int, now: float) -> None:
        self.packets += 1


class Leg:
    """One call: the browser's transport and the telephone's."""

    def __init__(self, certificate: RTCCertificate) -> None:
        self._sound = Counted()
        self.carrier = PythonCarrier(self, Guard.DTLS)
        self.carrier.route({0: self._sound}, {0: 8000})
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        sock.bind(("127.0.0.1", 0))
        self.phone = Phone()
        self.browser = SecureTransport(
            [sock], certificate, self.carrier, controlling=True, on_state=lambda part, state: None
        )
        self.fingerprint = next(f for f in certificate.getFingerprints() if f.algorithm == "sha-256")

    @property
    def heard(self) -> int:
        return self._sound.packets

    def raw(self, port: Port, data: bytes, address: Address) -> None:
        self.browser.datagram(port, data, address)

    def learn(self, data: bytes, address: Address) -> None:
        return

    def rtcp_received(self, data: bytes) -> None:
        return

    def begun(self, payload_type: int) -> None:
        return

    async def connect(self, control: Control, number: int) -> None:
        """Offer, answer, ICE and DTLS: sound may flow when this returns."""
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self.phone, local_addr=("127.0.0.1", 0)
        )
        await self.browser.gather()
        tags = {"from_tag": f"a{number}", "to_tag": f"b{number}", "via_branch": f"b{number}"}
        first = {key: value for key, value in tags.items() if key != "to_tag"}
        offer = await control.body("offer", number, sdp=self._offer(), **first, **PHONE)
        if offer.rtp is None:
            raise SystemExit("the engine offered no address")
        self.phone.towards = offer.rtp
        head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        answer = f"{head}m=audio {self.phone.port} RTP/AVP 0\r\n"
        theirs = await control.body("answer", number, sdp=answer, **tags, **BROWSER)
        await self.browser.connect(remote(theirs))

    def _offer(self) -> str:
        user, password = self.browser.credentials
        candidate = self.browser.candidates[0]
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
            f"m=audio {candidate.port} UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 127.0.0.1\r\na=rtpmap:0 PCMU/8000\r\n"
            f"a=ice-ufrag:{user}\r\na=ice-pwd:{password}\r\n"
            f"a=fingerprint:sha-256 {self.fingerprint.value}\r\n"
            "a=setup:actpass\r\na=rtcp-mux\r\na=mid:0\r\na=sendrecv\r\n"
            f"a=candidate:1 1 udp {candidate.priority} 127.0.0.1 {candidate.port} typ host\r\n"
        )

    def speak(self, number: int) -> None:
        """One packet from each side."""
        sound = Packet(0, False, number & 0xFFFF, number * 160, id(self) & 0xFFFFFFFF, PAYLOAD)
        self.carrier.out.append(0, number * 160, PAYLOAD, asyncio.get_running_loop().time())
        self.phone.transport.sendto(bytes(sound), self.phone.towards)

    async def close(self) -> None:
        await self.browser.close()
        self.carrier.close()
        self.phone.transport.close()


def remote(theirs: Description) -> RemoteParameters:
    assert theirs.ice is not None
    candidates = tuple(
        RTCIceCandidate(1, c.foundation, c.address, c.port, c.priority, "udp", c.type)
        for c in theirs.candidates
    )
    prints = tuple((f.algorithm, f.digest) for f in theirs.fingerprints)
    role = "server" if theirs.setup == "active" else "client"
    return RemoteParameters(theirs.ice.ufrag, theirs.ice.password, theirs.ice_lite, candidates, prints, role)


async def measure(engine: Engine) -> tuple[float, float]:
    """(% of a core per call, share of the packets that arrived)."""
    loop = asyncio.get_running_loop()
    _, control = await loop.create_datagram_endpoint(Control, remote_addr=("127.0.0.1", engine.port))
    certificate = RTCCertificate.generateCertificate()
    legs = [Leg(certificate) for _ in range(CALLS)]
    try:
        for number, leg in enumerate(legs):
            await leg.connect(control, number)
        await talk(legs, 0, 1)
        before = sum(leg.heard + leg.phone.heard for leg in legs)
        begun = cpu([engine.pid])
        await talk(legs, PACKETS_A_SECOND, SECONDS)
        used = cpu([engine.pid]) - begun
        heard = sum(leg.heard + leg.phone.heard for leg in legs) - before
        return used / SECONDS / CALLS * 100, heard / (2 * CALLS * SECONDS * PACKETS_A_SECOND)
    finally:
        await asyncio.gather(*(leg.close() for leg in legs))
        control.transport.close()


async def talk(legs: list[Leg], first: int, seconds: int) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for turn in range(seconds * PACKETS_A_SECOND):
        for leg in legs:
            leg.speak(first + turn)
        await asyncio.sleep(max(begun + (turn + 1) / PACKETS_A_SECOND - loop.time(), 0))


def relay() -> Iterator[Figure]:
    """The gateway's figure beside rtpengine's without its kernel module."""
    with gateway() as engine:
        ours, arrived = asyncio.run(measure(engine))
    theirs = None
    program = rtpengine_program()
    if program:
        with rtpengine(program) as engine:
            theirs, _ = asyncio.run(measure(engine))
    yield Figure.beside(
        "relayed call, SRTP to RTP", ours, "% of a core", "rtpengine (Debian), userspace" if program else
        "rtpengine is missing", theirs,
        f"PCMU, {CALLS} calls for {SECONDS} s, engine alone, {arrived:.1%} of the packets arrived", digits=2,
    )  # fmt: skip
