"""How a leg wants to be spoken to: rtpengine's flags as one value."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.description import RTP, WEBRTC, kind_of
from gateway.errors import GatewayError
from ucplatform.ng import Value

Message = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Profile:
    """`proto` None keeps that of the other side. `mux` None is the habit of the kind.

    `interface` is for the leg that the description goes to, `other_interface` for the one that it came from.
    `hosts` is from where else the sender's packets may come (rtpengine's received-from).
    """

    proto: str | None = None
    interface: str | None = None
    other_interface: str | None = None
    dtls: str | None = None
    mux: bool | None = None
    strip: tuple[str, ...] = ()
    prefer: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    @classmethod
    def parse(cls, message: Message) -> "Profile":
        """`direction` names two interfaces, of the request's sender and of the other leg; one means both."""
        proto = text(message, "transport-protocol")
        if proto is not None:
            kind_of(proto)
        directions = texts(message, "direction")
        codec = message.get("codec")
        received = texts(message, "received-from") or texts(message, "received from")
        return cls(
            proto=proto,
            interface=directions[-1] if directions else None,
            other_interface=directions[0] if directions else None,
            dtls=text(message, "DTLS"),
            mux=_mux(set(texts(message, "rtcp-mux"))),
            strip=tuple(texts(codec, "strip")) if isinstance(codec, dict) else (),
            prefer=tuple(texts(message, "codec-prefer")),
            hosts=tuple(received[-1:]),
        )

    def protocol(self, other: str) -> str:
        """The transport protocol for an offer to this leg, where the other side speaks `other`."""
        return self.proto or other

    def offers_mux(self, kind: str) -> bool:
        """Browsers want rtcp-mux (RFC 8834); desk phones are offered it only when asked for, and not where
        SDES keys their RTCP by a session of its own."""
        return kind == WEBRTC or (kind == RTP and bool(self.mux))

    def accepts_mux(self, kind: str, offered: bool) -> bool:
        return kind == WEBRTC or (kind == RTP and offered and self.mux is not False)


def _mux(flags: set[str]) -> bool | None:
    if flags & {"offer", "require", "accept"}:
        return True
    return False if flags & {"demux", "reject"} else None


def text(message: Message, key: str) -> str | None:
    """A text, None when there is none; GatewayError when it is something else.

    All but the SDP is of one line: ids go into the log, where one event is one line.
    """
    value = message.get(key)
    if value is not None and not isinstance(value, str):
        raise GatewayError(f"{key} must be text")
    if value and key != "sdp" and not value.isprintable():
        raise GatewayError(f"{key} must be printable")
    return value or None


def required(message: Message, key: str) -> str:
    value = text(message, key)
    if value is None:
        raise GatewayError(f"{key} is missing")
    return value


def texts(message: Message, key: str) -> list[str]:
    """A list of texts; one text alone counts as a list (rtpengine takes both)."""
    value = message.get(key)
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
