"""Minutes instead of the seconds that `make test` has: no input makes a parser raise anything but its own
error, or takes more than 50 ms of processor time. UC_FUZZ_SECONDS sets how long all of them take together."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import time
from collections.abc import Callable

import pytest
from aioice import stun
from hypothesis import strategies as st

from gateway import rtcp
from gateway.description import read
from gateway.dtmf import Detector, TelephoneEvent
from gateway.errors import GatewayError, PacketError
from gateway.gateway import Gateway
from gateway.ortc import IceConnection, MediaSocket
from gateway.relay import Events, Forward, OutStream, RescaledEvents
from gateway.rtp import HEADER, HEADER_LENGTH, Packet
from tests.gateway.calls import phone_calls_phone
from tests.gateway.control import Control, config
from tests.gateway.phone import Phone
from tests.long.fuzz import changed, cheap, mutate, search, seconds
from tests.sdp import test_hostile as sdp_inputs
from tests.sip import test_fuzz as sip_inputs
from ucplatform import ng, sdp
from ucplatform.edge.masking import mask
from ucplatform.sip.digest import Challenge, Credentials, NonceIssuer, find_credentials, ha1, verify
from ucplatform.sip.endpoint import Endpoint
from ucplatform.sip.errors import ParseError
from ucplatform.sip.flow import Flow
from ucplatform.sip.framing import StreamFramer
from ucplatform.sip.headers import CSeq, NameAddr, Replaces, Via
from ucplatform.sip.message import parse_message
from ucplatform.sip.uri import Uri

LONG = pytest.mark.timeout(1200)
SIP_WORDS = [
    b"\r\n", b"\r", b"\n", b"\0", b'"', b"\\", b"<", b">", b",", b";", b":", b"@", b"%", b"[::1]", b"=", b" ",
    b"\xff", b"\xc3\xa9", b"SIP/2.0", b"9" * 30, b"Via: ", b"v:", b"l: 3\r\n", b"\r\n\r\n", b"\r\n ", b"tag=",
    b"branch=z9hG4bK", b"sip:", b"*", b"Digest ", b"nonce=", b"CSeq: 1 INVITE\r\n", b"Contact: *\r\n",
]  # fmt: skip
TYPED = (Uri, NameAddr, Via, CSeq, Replaces, Credentials, Challenge)
FLOW = Flow.udp(("192.0.2.1", 5060), ("192.0.2.9", 5062))
DIGESTS = [
    b'Digest realm="lab.example", nonce="abc==", algorithm=MD5, qop="auth"',
    b'Digest username="200", realm="lab.example", nonce="abc", uri="sip:201@lab.example", response="'
    + b"0" * 32
    + b'", algorithm=SHA-256, cnonce="c", nc=00000001, qop=auth, opaque="o"',
]
NG_REQUEST: dict[str, ng.Value] = {
    "command": "offer", "call-id": "c-1", "from-tag": "a", "flags": ["trust-address"], "n": -7,
    "ICE": "force", "sdp": sdp_inputs.REAL[0].decode("utf-8", "surrogateescape"),
    "deep": {"list": [1, [2, {"a": "b"}]]},
}  # fmt: skip
NG_WORDS = [b"d", b"l", b"e", b"i", b"1:", b"0:", b"i5e", b"-", b"{", b"}", b"[", b'"', b"\\u", b" ", b"99:"]


@LONG
def test_sip_datagrams_mutated() -> None:
    mutate(sip_inputs.SEEDS, SIP_WORDS, lambda data: cheap(lambda: sip_inputs.take(data), ParseError))


@LONG
def test_sip_datagrams_by_hypothesis() -> None:
    search(sip_inputs.mutated(), lambda data: cheap(lambda: sip_inputs.take(data), ParseError))


@LONG
def test_typed_headers() -> None:
    def round_trip(text: str) -> None:
        for typed in TYPED:
            cheap(lambda typed=typed: _same(typed, _one_line(text)), ParseError)

    search(sip_inputs.texts | sip_inputs.long_texts, round_trip)


def _same(typed: type, text: str) -> None:
    value = typed.parse(text)
    assert typed.parse(str(value)) == value


@LONG
def test_digest() -> None:
    issuer = NonceIssuer(b"secret")
    expected = ha1("200", "lab.example", "secret")
    head = b"REGISTER sip:lab.example SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKx\r\nAuthorization: "

    def check(data: bytes) -> None:
        text = _one_line(data.decode("utf-8", "surrogateescape"))
        cheap(lambda: _same(Challenge, text), ParseError)
        cheap(lambda: _judge(text, issuer, expected), ParseError)
        cheap(
            lambda: find_credentials(
                parse_message(head + data + b"\r\n\r\n").headers, "Authorization", "lab.example"
            ),
            ParseError,
        )
        cheap(lambda: mask(head + data))

    mutate(DIGESTS, SIP_WORDS, check, limit=8000)


def _one_line(text: str) -> str:
    """Header values hold no line breaks: the message parser has seen to that."""
    return text.replace("\r", " ").replace("\n", " ")


def _judge(text: str, issuer: NonceIssuer, expected: str) -> None:
    credentials = Credentials.parse(text)
    verify(credentials, "INVITE", expected)
    issuer.check(credentials.nonce, credentials.nc, time.time())


@LONG
def test_framing() -> None:
    chance = random.Random()

    def check(data: bytes) -> None:
        step = chance.choice((1, 7, 100, 1500, 70000)) if len(data) < 4000 else 1500
        pieces = [data[at : at + step] for at in range(0, len(data), step)]
        cheap(lambda: _feed(pieces), ParseError)

    mutate([b"".join(sip_inputs.VALID[at : at + 3]) for at in range(20)], SIP_WORDS, check)


def _feed(pieces: list[bytes]) -> None:
    framer = StreamFramer()
    for piece in pieces:
        framer.feed(piece)
        if framer.broken is not None:
            raise framer.broken


@LONG
def test_the_endpoint_raises_nothing_at_all() -> None:
    endpoint = Endpoint("1", limit=500)
    clock = time.monotonic()

    def check(data: bytes) -> None:
        cheap(lambda: endpoint.receive(data, FLOW, clock))

    mutate(sip_inputs.SEEDS, SIP_WORDS, check)


@LONG
def test_sdp_mutated() -> None:
    words = [b"\r\n", b"\n", b"\0", b":", b"/", b"=", b"a=", b"m=audio 1 RTP/AVP 0\r\n", b"c=IN IP4 ", b"-1"]
    words += [b"a=rtpmap:", b"a=fmtp:", b"a=candidate:", b"a=fingerprint:sha-256 ", b"9" * 23, b"\xff\xfe"]

    def check(data: bytes) -> None:
        cheap(lambda: sdp_inputs.read_everything(data), sdp.SdpError)
        cheap(lambda: read(data.decode("utf-8", "surrogateescape")), GatewayError)

    mutate(sdp_inputs.REAL, words, check)


@LONG
def test_sdp_by_hypothesis() -> None:
    def check(data: bytes) -> None:
        cheap(lambda: sdp_inputs.read_everything(data), sdp.SdpError)
        cheap(lambda: read(data.decode("utf-8", "surrogateescape")), GatewayError)

    search(sdp_inputs.mangled(), check)


@LONG
def test_ng() -> None:
    corpus = [ng.encode("1_2", NG_REQUEST, form) for form in ("bencode", "json")]

    def check(data: bytes) -> None:
        cheap(lambda: ng.decode(data), ng.NgError)
        cheap(lambda: ng.cookie_of(data), ng.NgError)
        cheap(lambda: ng.StreamFramer().feed(data), ng.NgError)

    mutate(corpus, NG_WORDS, check)


def _packets() -> list[bytes]:
    """RTP with all that a header may carry, telephone events, RTCP of each kind."""
    sound = bytes(Packet(0, False, 1, 160, 7, bytes(160)))
    extended = bytearray(
        sound[:HEADER_LENGTH] + b"\0\0\0\5" + b"\xbe\xde\0\1\x10\xff\0\0" + bytes(160) + b"\4"
    )
    extended[0] = 0x80 | 0x20 | 0x10 | 1
    event = bytes(Packet(101, True, 2, 320, 7, bytes(TelephoneEvent(5, False, 10, 160))))
    sender = rtcp.SenderInfo(rtcp.ntp_now(), 160, 1, 160)
    report = rtcp.compound(7, sender, rtcp.ReportBlock(8, 0, 0, 1, 2, 3, 4), "cname")
    return [sound, bytes(extended), event, report, rtcp.goodbye(7, "cname"), report + report]


PACKET_WORDS = [b"\x80", b"\x90", b"\xbf", b"\xff\xff", b"\0\0\0\0", b"\x81\xc8\0\x0c", b"\x80\xc9\xff\xff"]


@LONG
def test_rtp_and_rtcp() -> None:
    out = OutStream(lambda data: None)
    onward = Forward(object(), out, 101, 8000)
    routes = [
        onward,
        Events(Detector(), lambda digit: None, onward),
        Events(Detector(), lambda digit: None, RescaledEvents(onward, 6, 1)),
    ]

    def check(data: bytes) -> None:
        cheap(lambda: Packet.parse(data), PacketError)
        cheap(lambda: rtcp.parse(data), PacketError)
        cheap(lambda: TelephoneEvent.parse(data), PacketError)
        if len(data) >= HEADER_LENGTH:
            _, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
            for route in routes:
                cheap(lambda r=route: r.forward(data, second, sequence, timestamp, ssrc, 1.0), PacketError)

    mutate(_packets(), PACKET_WORDS, check, limit=1500)


def _stun() -> list[bytes]:
    """A connectivity check as a browser sends it, its answer, and a plain binding request."""
    check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    check.attributes |= {
        "USERNAME": "ours:theirs",
        "PRIORITY": 1,
        "ICE-CONTROLLING": 5,
        "USE-CANDIDATE": None,
    }
    check.add_message_integrity(b"password")
    answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, check.transaction_id)
    answer.attributes["XOR-MAPPED-ADDRESS"] = ("192.0.2.1", 4000)
    answer.add_fingerprint()
    return [bytes(check), bytes(answer), bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST))]


@LONG
async def test_stun_and_all_else_at_a_browsers_port() -> None:
    """What comes to the port of a WebRTC leg raises nothing at all, whichever protocol it looks like."""
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.bind(("127.0.0.1", 0))
    connection = IceConnection([sock], controlling=False)
    transport, protocol = await loop.create_datagram_endpoint(lambda: MediaSocket(connection), sock=sock)
    hello = struct.pack("!BHH", 22, 0xFEFD, 1) + bytes(60)
    try:
        mutate(
            [*_stun(), hello, *_packets()], [b"\0\x01", b"\x21\x12\xa4\x42", *PACKET_WORDS],
            lambda data: cheap(lambda: protocol.datagram_received(data, ("127.0.0.1", 9))),
            limit=1500,
        )  # fmt: skip
    finally:
        transport.close()


@LONG
async def test_a_gateway_under_garbage_still_carries_the_call() -> None:
    """A live call whose ports get mutated RTP and RTCP from the right address: nothing is raised in the loop,
    requests are answered, and the sound is there afterwards."""
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
    gateway = Gateway(config())
    await gateway.start()
    control = await Control.open(gateway)
    alice, bob = await Phone.open(), await Phone.open()
    try:
        await phone_calls_phone(control, alice, bob)
        alice.talk()
        bob.talk()
        assert abs(await bob.tone() - 440) < 20
        await _shower(control, alice)
        start = len(bob.heard)
        await bob.until(lambda: len(bob.heard) >= start + 200)  # what was still on its way is past
        assert abs(await bob.tone(len(bob.heard)) - 440) < 20
        await control.ask("delete", "c1", from_tag="a")
        assert not faults, faults
    finally:
        await alice.close()
        await bob.close()
        control.close()
        await gateway.close()


async def _shower(control: Control, alice: Phone) -> None:
    """Garbage for the time that is ours, as fast as the gateway answers a ping after each handful."""
    chance = random.Random()
    corpus = [packet for packet in _packets() if packet[1] & 0x7F != 0]  # not sound: that would be heard
    end = asyncio.get_running_loop().time() + seconds()
    while asyncio.get_running_loop().time() < end:
        for _ in range(20):
            data = changed(chance, corpus, PACKET_WORDS)[:1500]
            if data[:2] and not (len(data) > 1 and data[1] & 0x7F == 0):
                alice.transport.sendto(data, alice.peer)
        assert (await control.ask("ping"))["result"] == "pong"


@LONG
def test_any_octets() -> None:
    """No structure at all: every parser of a datagram in turn."""
    readers: list[tuple[Callable[[bytes], object], type[Exception]]] = [
        (sip_inputs.take, ParseError), (sdp_inputs.read_everything, sdp.SdpError), (ng.decode, ng.NgError),
        (Packet.parse, PacketError), (rtcp.parse, PacketError),
    ]  # fmt: skip

    def check(data: bytes) -> None:
        for reader, error in readers:
            cheap(lambda reader=reader: reader(data), error)

    search(st.binary(max_size=3000), check)
