"""Writing the descriptions that legs are given; the edge rewrites their o= line (ARCHITECTURE section 2)."""

from collections.abc import Sequence

from gateway.description import WEBRTC, Description
from gateway.errors import GatewayError
from gateway.plain import RtpTermination
from gateway.profile import Profile
from gateway.sdes import SdesTermination
from gateway.termination import Termination
from gateway.webrtc import WebRtcTermination, we_are_active
from ucplatform import sdp

STREAM = "uc"


MIRRORED = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


def our_offer(
    leg: Termination,
    profile: Profile,
    proto: str,
    codecs: Sequence[sdp.Codec],
    like: Description | None = None,
) -> Description:
    """Our side of an offer to a leg, `like` what another leg offered."""
    if leg.mid is None and leg.kind == WEBRTC:
        leg.mid = "0"
    before = leg.remote
    return Description(
        proto=before.proto if before is not None else proto,
        codecs=tuple(codecs),
        direction=like.direction if like is not None else "sendrecv",
        rtcp_mux=before.rtcp_mux if before is not None else profile.offers_mux(leg.kind),
        setup="actpass",
        crypto=leg.keys.offer() if isinstance(leg, SdesTermination) else (),
        ptime=like.ptime if like is not None else None,
        mid=leg.mid,
        lines=leg.lines,
    )


def our_answer(
    leg: Termination, profile: Profile, offer: Description, codecs: Sequence[sdp.Codec], direction: str,
    ptime: str | None = None,
) -> Description:  # fmt: skip
    """Our side of the answer to what a leg offered."""
    return Description(
        proto=offer.proto,
        codecs=tuple(codecs),
        direction=direction,
        rtcp_mux=profile.accepts_mux(leg.kind, offer.rtcp_mux),
        setup=_answered_setup(leg, offer, profile.dtls),
        crypto=leg.keys.answer(offer.crypto) if isinstance(leg, SdesTermination) else (),
        ptime=ptime,
        mid=offer.mid,
        lines=offer.lines,
        answer=True,
    )


def _answered_setup(leg: Termination, offer: Description, wish: str | None) -> str:
    """Our DTLS role in an answer: the one we have (RFC 8842 5.5), else active, which saves a round trip."""
    if leg.local is not None and leg.remote is not None:
        return "active" if we_are_active(leg.local, leg.remote) else "passive"
    if offer.setup in ("active", "passive"):
        return "passive" if offer.setup == "active" else "active"
    return "passive" if wish == "passive" else "active"


def write(leg: Termination, local: Description) -> str:
    """The SDP body for a leg: its audio line where it belongs, every other line refused."""
    audio = _audio(leg, local)
    grouped = isinstance(leg, WebRtcTermination) and local.mid is not None
    attributes = [("group", f"BUNDLE {local.mid}")] if grouped else []
    if isinstance(leg, WebRtcTermination):
        attributes.append(("msid-semantic", f" WMS {STREAM}"))
    address = leg.interface.advertised
    origin = sdp.Origin("-", 1, 1, "IN", "IP6" if ":" in address else "IP4", address)
    session = sdp.build.session(origin, connection=address, attributes=attributes)
    for line in local.lines:
        session.append(audio if line is None else sdp.build.rejected(line))
    return str(session)


def _audio(leg: Termination, local: Description) -> sdp.Media:
    if isinstance(leg, WebRtcTermination):
        return _secure_audio(leg, local)
    if isinstance(leg, RtpTermination):
        return _plain_audio(leg, local)
    raise GatewayError(f"no description for a {leg.kind} leg")


def _plain_audio(leg: RtpTermination, local: Description) -> sdp.Media:
    part = sdp.build.media(
        "audio", leg.port, local.proto, local.codecs, direction=local.direction, attributes=_common(local)
    )
    if local.rtcp_mux:
        part.add("rtcp-mux")
    sdp.build.add_crypto(part, local.crypto)
    return part


def _secure_audio(leg: WebRtcTermination, local: Description) -> sdp.Media:
    part = sdp.build.media(
        "audio", leg.port, local.proto, local.codecs, direction=local.direction, attributes=_common(local)
    )
    sdp.build.add_ice(part, leg.credentials, leg.candidates)
    sdp.build.add_dtls(part, leg.fingerprints, local.setup or "actpass")
    sdp.build.add_rtcp(part, leg.port, mux=True)
    part.add("msid", f"{STREAM} {leg.cname}")
    part.add("ssrc", f"{leg.out.ssrc} cname:{leg.cname}")
    return part


def _common(local: Description) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    if local.mid is not None:
        found.append(("mid", local.mid))
    if local.ptime is not None:
        found.append(("ptime", local.ptime))
    return found
