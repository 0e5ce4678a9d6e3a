"""What the edge needs to know of a body, and the one line that it writes itself."""

from __future__ import annotations

from ucplatform.sdp.errors import SdpError
from ucplatform.sdp.media import Media
from ucplatform.sdp.origin import Origin
from ucplatform.sdp.session import Session, parse


def with_origin(text: str, origin: Origin) -> str:
    """The same description with this o= line and no other change; SdpError when it has none.

    The rest is not looked at: it is an engine's own, and this runs for every body that we send.
    """
    start = text.find("\no=")
    media = text.find("\nm=")
    if start < 0 or 0 <= media < start:
        raise SdpError("no o= line")
    end = text.find("\n", start + 1)
    if end < 0:
        end = len(text)
    elif text[end - 1] == "\r":
        end -= 1
    return f"{text[: start + 3]}{origin}{text[end:]}"


def without_origin(text: str) -> str:
    """The description without its o= line: two bodies are the same session state when these are equal."""
    session = parse(text)
    session.lines[:] = [line for line in session.lines if line.kind != "o"]
    return str(session)


def media_directions(text: str) -> list[tuple[str, str]]:
    """(kind, direction as its sender sees it) of each media line in order; a refused line is inactive."""
    return [(part.kind, _direction(part)) for part in parse(text).media]


def is_hold(text: str | bytes) -> bool:
    """True when the sender wants to hear nothing.

    That is: every active audio line (every line when there is no audio) is sendonly or inactive (RFC 3264
    section 8.4), or points at 0.0.0.0 (RFC 2543). False when no line is active.
    """
    session = parse(text)
    active = [part for part in session.media if part.active]
    spoken = [part for part in active if part.kind == "audio"] or active
    return bool(spoken) and all(_direction(part) in ("sendonly", "inactive") for part in spoken)


def is_empty(session: Session) -> bool:
    """True when no media line is taken: an offer or answer that carries nothing."""
    return not any(part.active for part in session.media)


def _direction(part: Media) -> str:
    if not part.active:
        return "inactive"
    connection = part.connection
    # With ICE, 0.0.0.0 (and port 9) is only "look at the candidates" (RFC 8840), no hold.
    if connection is not None and connection.is_null and part.inherited("ice-ufrag") is None:
        return "sendonly" if part.direction in ("sendrecv", "sendonly") else "inactive"
    return part.direction
