"""What the parsers of SDP, of the engine's protocol and of media packets promise."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from gateway import rtcp
from gateway.description import read
from gateway.dtmf import TelephoneEvent
from gateway.errors import GatewayError, PacketError
from gateway.rtp import HEADER_LENGTH, Packet
from tests.fuzz.target import Target
from tests.sdp import test_hostile as sdp_inputs
from ucplatform import ng, sdp

SDP_WORDS = (
    b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"/", b"=", b",", b";", b"a=", b"m=audio ",
    b"m=audio 1 RTP/AVP 0\r\n", b"c=IN IP4 0.0.0.0\r\n", b"c=IN IP6 ::1\r\n", b"a=rtpmap:", b"a=fmtp:",
    b"a=candidate:", b"a=mid:", b"a=rtcp:9\r\n", b"a=fingerprint:sha-256 ", b"a=setup:actpass\r\n",
    b"a=ice-ufrag:x\r\n", b"a=group:BUNDLE 0\r\n", b"a=sendonly\r\n", b"b=AS:64\r\n", b"9" * 23, b"-1",
    b"65536", b"\xd9\xa3", b"\xff\xfe", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"0/0", b"_1",
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:", b"t=0 0\r\n", b"m=video 0 UDP/TLS/RTP/SAVPF 96\r\n", b"*",
)  # fmt: skip
SDP_VALUES: dict[str, tuple[bytes, ...]] = {
    "Candidate": (
        b"1 1 udp 2130706431 192.0.2.1 40000 typ host generation 0",
        b"842163049 1 UDP 1677729535 203.0.113.5 46154 typ srflx raddr 10.0.0.5 rport 46154 ufrag x",
        b"2 2 tcp 1518280447 2001:db8::1 9 typ host tcptype active",
    ),
    "Connection": (b"IN IP4 192.0.2.1", b"IN IP6 ff1e::1/3", b"IN IP4 224.2.36.42/127/3"),
    "Crypto": (
        b"1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20 WSH=64",
        b"2 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==",
    ),
    "Fingerprint": (b"sha-256 " + b":".join([b"AB"] * 32), b"sha-1 " + b":".join([b"0f"] * 20)),
    "MediaLine": (
        b"audio 49170 RTP/AVP 0 8 101",
        b"video 51372/2 UDP/TLS/RTP/SAVPF 96 97",
        b"image 0 udptl t38",
    ),
    "Origin": (b"- 3724394400 3724394405 IN IP4 198.51.100.1", b"jdoe 1 18446744073709551615 IN IP6 ::1"),
    "RtcpAddress": (b"53020", b"53020 IN IP6 2001:db8::1"),
}
NG_WORDS = (
    b"d", b"l", b"e", b"i", b"1:", b"0:", b"i5e", b"i-1e", b"-", b"{", b"}", b"[", b"]", b'"', b"\\u",
    b"\\ud800", b" ", b"99:", b"null", b"true", b"1e999", b"NaN", b":", b",", b"7:command4:ping", b"de",
    b"\xff", b"\r\n", b"x d",
)  # fmt: skip
NG_REQUESTS: tuple[dict[str, ng.Value], ...] = (
    {
        "command": "offer", "call-id": "c-1", "from-tag": "a", "flags": ["trust-address"], "n": -7,
        "ICE": "force", "sdp": sdp_inputs.REAL[0].decode("utf-8", "surrogateescape"),
        "deep": {"list": [1, [2, {"a": "b"}]]},
    },
    {"command": "ping"},
    {"result": "ok", "totals": {"RTP": {"packets": 1, "bytes": 2}}, "created": 1700000000, "ports": {}},
)  # fmt: skip
PACKET_WORDS = (
    b"\x80", b"\x90", b"\xbf", b"\xff\xff", b"\0\0\0\0", b"\x81\xc8\0\x0c", b"\x80\xc9\xff\xff",
    b"\xbe\xde\0\1", b"\x80\xcb\0\1", b"\0\x01", b"\x21\x12\xa4\x42",
)  # fmt: skip


def description(data: bytes) -> None:
    """An SDP body: written back octet for octet, and all that the product asks of one can be asked."""
    sdp_inputs.read_everything(data)


def offer(data: bytes) -> None:
    """The same in the gateway, which says why it cannot work with one."""
    read(data.decode("utf-8", "surrogateescape"))


def value(typed: Any) -> Callable[[bytes], object]:
    """One structured value: what was written reads the same."""

    def check(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape").replace("\r", " ").replace("\n", " ")
        found = typed.parse(text)
        assert typed.parse(str(found)) == found

    return check


def types() -> Iterator[type]:
    """The structured values of SDP: what has both `parse` and `__str__`."""
    for name, found in vars(sdp).items():
        if inspect.isclass(found) and "parse" in vars(found) and name not in ("Session",):
            yield found


def request(form: ng.Form) -> Callable[[bytes], object]:
    """An NG message: what was written reads the same, and the cookie is found without reading the rest."""

    def check(data: bytes) -> None:
        cookie, body = ng.decode(data)
        assert ng.cookie_of(data) == cookie
        assert ng.decode(ng.encode(cookie, body, form)) == (cookie, body)

    return check


def ng_stream(data: bytes) -> None:
    """Where the network cuts a stream does not matter. The first octet says how it is cut."""
    step = max((1, 7, 100, 1460)[data[0] % 4] if data else 1, len(data) // 400)
    whole = feed([data])
    cut = feed([data[at : at + step] for at in range(0, len(data), step)])
    if whole is None or cut is None:
        # In one piece a fault takes the good messages before it with it: the connection is closed anyway.
        assert whole is None
        raise ng.NgError("broken stream")
    assert cut == whole


def feed(pieces: list[bytes]) -> list[tuple[str, dict[str, ng.Value]]] | None:
    """All messages; None when the stream broke."""
    framer, found = ng.StreamFramer(), []
    try:
        for piece in pieces:
            found += framer.feed(piece)
    except ng.NgError:
        return None
    return found


def packet(data: bytes) -> None:
    """RTP: what was written reads the same."""
    found = Packet.parse(data)
    assert Packet.parse(bytes(found)) == found


def packets() -> tuple[bytes, ...]:
    """RTP with all that a header may carry, telephone events, RTCP of each kind."""
    sound = bytes(Packet(0, False, 1, 160, 7, bytes(160)))
    extended = bytearray(sound[:HEADER_LENGTH] + b"\0\0\0\5\xbe\xde\0\1\x10\xff\0\0" + bytes(160) + b"\4")
    extended[0] = 0x80 | 0x20 | 0x10 | 1
    event = bytes(Packet(101, True, 2, 320, 7, bytes(TelephoneEvent(5, False, 10, 160))))
    sender = rtcp.SenderInfo(rtcp.ntp_now(), 160, 1, 160)
    report = rtcp.compound(7, sender, rtcp.ReportBlock(8, 0, 0, 1, 2, 3, 4), "cname")
    return sound, bytes(extended), event, report, rtcp.goodbye(7, "cname"), report + report


def targets() -> Iterator[Target]:
    bodies = tuple(sdp_inputs.REAL)
    bencoded = tuple(ng.encode("1_2", message) for message in NG_REQUESTS)
    as_json = tuple(ng.encode("1_2", message, "json") for message in NG_REQUESTS)
    streams = (b"".join(bencoded), bencoded[0] + b"\r\n" + bencoded[1], *bencoded)
    yield Target("sdp", description, (sdp.SdpError,), bodies, SDP_WORDS, 17_000, 4)
    yield Target("sdp-offer", offer, (GatewayError,), bodies, SDP_WORDS, 17_000, 2)
    for typed in types():
        name = typed.__name__
        yield Target(f"sdp-{name.lower()}", value(typed), (sdp.SdpError,), SDP_VALUES[name], SDP_WORDS)
    yield Target("ng-bencode", request("bencode"), (ng.NgError,), bencoded, NG_WORDS)
    yield Target("ng-json", request("json"), (ng.NgError,), as_json, NG_WORDS)
    yield Target("ng-stream", ng_stream, (ng.NgError,), streams, NG_WORDS)
    yield Target("rtp", packet, (PacketError,), packets(), PACKET_WORDS, 1500)
    yield Target("rtcp", rtcp.parse, (PacketError,), packets(), PACKET_WORDS, 1500)
    yield Target("telephone-event", TelephoneEvent.parse, (PacketError,), packets(), PACKET_WORDS, 1500)
