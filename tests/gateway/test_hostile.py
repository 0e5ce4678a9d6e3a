"""Whatever bytes come in, a parser gives a value or its own error."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import rtcp
from gateway.description import Description, read
from gateway.dtmf import TelephoneEvent
from gateway.errors import GatewayError, PacketError
from gateway.rtp import Packet

FEW = settings(max_examples=300, deadline=None)
NUMBERS = st.binary(max_size=64)


@FEW
@given(st.binary(max_size=80))
def test_rtp(data: bytes) -> None:
    try:
        packet = Packet.parse(data)
    except PacketError:
        return
    assert len(packet.payload) <= len(data) - 12


@FEW
@given(st.integers(0, 0xFF), st.binary(min_size=11, max_size=60))
def test_rtp_with_any_first_octet(first: int, rest: bytes) -> None:
    try:
        Packet.parse(bytes([first]) + rest)
    except PacketError:
        pass


@FEW
@given(st.lists(st.tuples(st.integers(0, 31), st.integers(190, 225), NUMBERS), max_size=4), st.booleans())
def test_rtcp(parts: list[tuple[int, int, bytes]], honest: bool) -> None:
    data = b""
    for count, kind, body in parts:
        body += bytes(-len(body) % 4)
        length = len(body) // 4 if honest else len(body)
        data += struct.pack("!BBH", 0x80 | count, kind, length) + body
    try:
        rtcp.parse(data)
    except PacketError:
        pass


@FEW
@given(st.binary(max_size=200))
def test_any_rtcp(data: bytes) -> None:
    try:
        rtcp.parse(data)
    except PacketError:
        pass


@FEW
@given(st.binary(max_size=8))
def test_telephone_events(data: bytes) -> None:
    try:
        event = TelephoneEvent.parse(data)
    except PacketError:
        return
    assert bytes(event)[0] == data[0]


LINES = st.sampled_from(
    [
        "v=0", "s=-", "t=0 0", "c=IN IP4 127.0.0.1", "c=IN IP4 host.example", "c=IN IP4 0.0.0.0", "c=IN",
        "m=audio 4000 RTP/AVP 0 96 101", "m=audio 0 RTP/AVP 0", "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "m=audio 4000 RTP/SAVP 0", "m=video 4002 RTP/AVP 97", "m=audio x RTP/AVP 0", "m=image 1 udptl t38",
        "a=rtpmap:96 opus/48000/2", "a=rtpmap:96 opus", "a=rtpmap:999 x/0", "a=fmtp:96", "a=sendonly",
        "a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901", "a=setup:actpass", "a=setup:x", "a=rtcp:x",
        "a=fingerprint:sha-256 AA:BB", "a=fingerprint:x", "a=candidate:1 1 udp 1 127.0.0.1 4000 typ host",
        "a=candidate:", "a=candidate:1 1 udp 1 x.local 4000 typ host", "a=rtcp-mux", "a=mid:0", "a=rtcp:5",
    ]
)  # fmt: skip


@FEW
@given(st.lists(LINES, max_size=25))
def test_descriptions(lines: list[str]) -> None:
    try:
        found = read("\r\n".join(["v=0", *lines, ""]))
    except GatewayError:
        return
    assert isinstance(found, Description) and None in found.lines


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("m=audio 4000 TCP/RTP/AVP 0", "not supported"),
        ("m=audio 4000 RTP/SAVP 0", "no SRTP suite in common"),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 111", "needs ICE"),
        ("m=audio 0 RTP/AVP 0", "no audio line"),
        ("m=audio x RTP/AVP 0", "malformed"),
    ],
)
def test_reasons(line: str, reason: str) -> None:
    with pytest.raises(GatewayError, match=reason):
        read(f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n{line}\r\n")
