"""Writing descriptions from values: what an engine needs to make an offer or an answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ucplatform.sdp.candidate import Candidate
from ucplatform.sdp.codec import STATIC, Codec
from ucplatform.sdp.crypto import Crypto
from ucplatform.sdp.line import Line
from ucplatform.sdp.media import Media, MediaLine
from ucplatform.sdp.origin import Connection, Origin
from ucplatform.sdp.security import Fingerprint, IceCredentials, RtcpAddress
from ucplatform.sdp.session import Session


def session(
    origin: Origin,
    *,
    name: str = "-",
    connection: str | None = None,
    attributes: Iterable[tuple[str, str | None]] = (),
) -> Session:
    """A description without media yet; `connection` is a numeric address for the session's c= line."""
    lines = [Line("v", "0"), Line("o", str(origin)), Line("s", name)]
    if connection is not None:
        lines.append(Line("c", str(Connection.to(connection))))
    lines.append(Line("t", "0 0"))
    made = Session(lines)
    for attribute in attributes:
        made.add(*attribute)
    return made


def media(
    kind: str,
    port: int,
    proto: str,
    codecs: Sequence[Codec],
    *,
    connection: str | None = None,
    direction: str | None = "sendrecv",
    attributes: Iterable[tuple[str, str | None]] = (),
) -> Media:
    """An RTP media part with its codec lines; `attributes` stand between them and the direction."""
    head = MediaLine(kind, port, proto, tuple(str(codec.payload) for codec in codecs) or ("0",))
    part = Media([Line("m", str(head))])
    if connection is not None:
        part.set_connection(Connection.to(connection))
    for codec in codecs:
        add_codec(part, codec)
    for attribute in attributes:
        part.add(*attribute)
    if direction is not None:
        part.add(direction)
    return part


def add_codec(part: Media, codec: Codec) -> None:
    """The lines of one codec, rtpmap for static payload types too: some phones want it."""
    part.add("rtpmap", f"{codec.payload} {codec.rtpmap}")
    if codec.fmtp:
        part.add("fmtp", f"{codec.payload} {codec.fmtp}")
    for value in codec.feedback:
        part.add("rtcp-fb", f"{codec.payload} {value}")


def rejected(offered: Media) -> Media:
    """The answer to a media line we do not take: the same line with port 0 (RFC 3264 section 6)."""
    head = MediaLine(offered.kind, 0, offered.proto, offered.head.formats)
    part = Media([Line("m", str(head))])
    if offered.mid is not None:
        part.add("mid", offered.mid)
    return part


def static_codec(payload: int) -> Codec:
    """The codec of a static payload type; KeyError for a number RFC 3551 gave to nobody."""
    return Codec(payload, *STATIC[payload])


def add_ice(
    part: Media, credentials: IceCredentials, candidates: Iterable[Candidate], *, lite: bool = False
) -> None:
    """ICE lines of a part that gathers before it speaks; ends with end-of-candidates."""
    part.set("ice-ufrag", credentials.ufrag)
    part.set("ice-pwd", credentials.password)
    if lite:
        part.set("ice-lite")
    part.remove("candidate", "end-of-candidates")
    for candidate in candidates:
        part.add("candidate", str(candidate))
    part.add("end-of-candidates")


def add_dtls(part: Media, fingerprints: Iterable[Fingerprint], setup: str) -> None:
    """Fingerprint and role lines (RFC 5763)."""
    part.remove("fingerprint")
    for fingerprint in fingerprints:
        part.add("fingerprint", str(fingerprint))
    part.set("setup", setup)


def add_crypto(part: Media, cryptos: Iterable[Crypto]) -> None:
    """The keys of a part, best first (RFC 4568)."""
    part.remove("crypto")
    for crypto in cryptos:
        part.add("crypto", str(crypto))


def add_rtcp(part: Media, port: int, *, mux: bool) -> None:
    """a=rtcp, and a=rtcp-mux when RTP and RTCP share the port (RFC 5761)."""
    part.set("rtcp", str(RtcpAddress(port)))
    if mux:
        part.set("rtcp-mux")
