"""One side's audio line as a value: what the gateway needs of an offer or an answer."""

import ipaddress
from dataclasses import dataclass

from gateway.errors import GatewayError
from ucplatform import sdp

SENDS = ("sendrecv", "sendonly")
RECEIVES = ("sendrecv", "recvonly")
WEBRTC, RTP, SRTP = "webrtc", "rtp", "srtp"
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Description:
    """`direction` is as the one who wrote it sees it. `rtp` is None when media goes nowhere (0.0.0.0)."""

    proto: str
    codecs: tuple[sdp.Codec, ...]
    direction: str
    rtp: Address | None = None
    rtcp: Address | None = None
    rtcp_mux: bool = False
    ice: sdp.IceCredentials | None = None
    ice_lite: bool = False
    candidates: tuple[sdp.Candidate, ...] = ()
    fingerprints: tuple[sdp.Fingerprint, ...] = ()
    setup: str | None = None
    crypto: tuple[sdp.Crypto, ...] = ()
    ptime: str | None = None
    mid: str | None = None
    # Every media line in order; None stands for the audio line, the others we refuse.
    lines: tuple[sdp.Media | None, ...] = (None,)
    answer: bool = False  # ours, to an offer: then its order of codecs is the agreed one

    @property
    def kind(self) -> str:
        return kind_of(self.proto)

    @property
    def sends(self) -> bool:
        return self.direction in SENDS

    @property
    def receives(self) -> bool:
        return self.direction in RECEIVES


def kind_of(proto: str) -> str:
    """Which termination a transport protocol needs; GatewayError for what there is none for."""
    if proto in ("UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP"):
        return WEBRTC
    if proto in ("RTP/AVP", "RTP/AVPF"):
        return RTP
    if proto in sdp.KEYED_PROTOCOLS:
        return SRTP
    raise GatewayError(f"media transport {proto} is not supported")


def read(text: str) -> Description:
    """The description in an SDP body; GatewayError with the reason when we cannot work with it."""
    try:
        session = sdp.parse(text)
        part = session.first_media("audio")
        if part is None:
            raise GatewayError("no audio line in the description")
        kind = kind_of(part.proto)
        fingerprints = tuple(sdp.fingerprints_of(part))
        rtp, rtcp = _addresses(part)
    except sdp.SdpError as error:
        raise GatewayError(f"description is malformed: {error}") from error
    ice = sdp.ice_of(part)
    if kind == WEBRTC and (ice is None or not fingerprints):
        raise GatewayError("a WebRTC description needs ICE credentials and a fingerprint")
    crypto = tuple(sdp.cryptos_of(part)) if kind == SRTP else ()
    if kind == SRTP and not crypto:
        raise GatewayError("no SRTP suite in common")
    # The hold of RFC 2543; with ICE the null address only says "see the candidates" (RFC 8840).
    direction = part.direction if rtp or kind == WEBRTC else _not_receiving(part.direction)
    return Description(
        proto=part.proto,
        codecs=tuple(part.codecs),
        direction=direction,
        rtp=rtp,
        rtcp=rtcp,
        rtcp_mux=part.has("rtcp-mux"),
        ice=ice,
        ice_lite=session.has("ice-lite") or part.has("ice-lite"),
        candidates=_candidates(part),
        fingerprints=fingerprints,
        setup=sdp.setup_of(part),
        crypto=crypto,
        ptime=part.get("ptime"),
        mid=part.mid,
        lines=tuple(None if line is part else line for line in session.media),
    )


def _not_receiving(direction: str) -> str:
    return "sendonly" if direction in SENDS else "inactive"


def _addresses(part: sdp.Media) -> tuple[Address | None, Address | None]:
    connection = part.connection
    if connection is None or connection.is_null or not part.port:
        return None, None
    try:
        host = str(ipaddress.ip_address(connection.address))
    except ValueError:
        return None, None  # a host name: the address is learned from the first packets
    rtcp = (host, part.port + 1)
    written = part.get("rtcp")
    if written:
        try:
            address = sdp.RtcpAddress.parse(written)
            rtcp = (str(ipaddress.ip_address(address.address)) if address.address else host, address.port)
        except (sdp.SdpError, ValueError):
            pass  # RFC 3605 is an addition; the default port is as good a guess
    return (host, part.port), rtcp


def _candidates(part: sdp.Media) -> tuple[sdp.Candidate, ...]:
    """Those that we can use: component 1, UDP, numeric. Others (mDNS, TCP) turn up as peer-reflexive."""
    found = []
    for value in part.all("candidate")[:32]:
        try:
            candidate = sdp.Candidate.parse(value)
            ipaddress.ip_address(candidate.address)
        except (sdp.SdpError, ValueError):
            continue
        if candidate.component == 1 and candidate.transport.lower() == "udp":
            found.append(candidate)
    return tuple(found)
