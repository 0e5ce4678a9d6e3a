"""Codecs of a media line: rtpmap, fmtp and rtcp-fb put together (RFC 8866 6.6, RFC 3551 6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# Static payload types that need no rtpmap: (name, clock, channels). G722 says 8000 by an old mistake.
STATIC: dict[int, tuple[str, int, int]] = {
    0: ("PCMU", 8000, 1),
    3: ("GSM", 8000, 1),
    4: ("G723", 8000, 1),
    5: ("DVI4", 8000, 1),
    6: ("DVI4", 16000, 1),
    7: ("LPC", 8000, 1),
    8: ("PCMA", 8000, 1),
    9: ("G722", 8000, 1),
    10: ("L16", 44100, 2),
    11: ("L16", 44100, 1),
    12: ("QCELP", 8000, 1),
    13: ("CN", 8000, 1),
    14: ("MPA", 90000, 1),
    15: ("G728", 8000, 1),
    16: ("DVI4", 11025, 1),
    17: ("DVI4", 22050, 1),
    18: ("G729", 8000, 1),
    25: ("CelB", 90000, 1),
    26: ("JPEG", 90000, 1),
    28: ("nv", 90000, 1),
    31: ("H261", 90000, 1),
    32: ("MPV", 90000, 1),
    33: ("MP2T", 90000, 1),
    34: ("H263", 90000, 1),
}


@dataclass(frozen=True, slots=True)
class Codec:
    """One format of an RTP media line. `fmtp` is '' when there is none; `feedback` holds rtcp-fb values."""

    payload: int
    name: str
    clock: int
    channels: int = 1
    fmtp: str = ""
    feedback: tuple[str, ...] = ()

    @property
    def rtpmap(self) -> str:
        """The value behind `a=rtpmap:` without the payload type, e.g. 'opus/48000/2'."""
        return f"{self.name}/{self.clock}" + (f"/{self.channels}" if self.channels != 1 else "")

    @property
    def key(self) -> tuple[str, int, int]:
        """What makes two codecs the same whatever their payload types: (lower-case name, clock, channels)."""
        return self.name.lower(), self.clock, self.channels

    @property
    def parameters(self) -> dict[str, str]:
        """fmtp as {lower-case name: value}; an item without '=' (telephone-event's 0-16) stands under ''."""
        found: dict[str, str] = {}
        for item in self.fmtp.split(";"):
            name, equals, value = item.strip().partition("=")
            if equals:
                found.setdefault(name.strip().lower(), value.strip())
            elif name:
                found.setdefault("", name)
        return found


def parse_rtpmap(value: str) -> tuple[str, int, int] | None:
    """'opus/48000/2' → (name, clock, channels); None when it cannot be read."""
    parts = value.strip().split("/")
    if len(parts) not in (2, 3) or not parts[0]:
        return None
    numbers = [int(part) for part in parts[1:] if part.isascii() and part.isdigit() and len(part) <= 9]
    if len(numbers) != len(parts) - 1 or 0 in numbers:
        return None
    return parts[0], numbers[0], numbers[1] if len(numbers) == 2 else 1


def read_codecs(formats: Iterable[str], attributes: Iterable[tuple[str, str | None]]) -> list[Codec]:
    """Codecs in the order of the m= line. A dynamic format without a readable rtpmap is left out."""
    maps: dict[str, str] = {}
    fmtps: dict[str, str] = {}
    feedback: dict[str, list[str]] = {}
    for name, value in attributes:
        payload, _, rest = (value or "").partition(" ")
        if name == "rtpmap":
            maps.setdefault(payload, rest)
        elif name == "fmtp":
            fmtps.setdefault(payload, rest.strip())
        elif name == "rtcp-fb":
            feedback.setdefault(payload, []).append(rest.strip())
    everyone = tuple(feedback.get("*", ()))
    codecs = []
    for text in dict.fromkeys(formats):
        if not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 127):
            continue
        payload_type = int(text)
        known = parse_rtpmap(maps[text]) if text in maps else STATIC.get(payload_type)
        if known is not None:
            own = tuple(feedback.get(text, ()))
            codecs.append(Codec(payload_type, *known, fmtps.get(text, ""), own + everyone))
    return codecs
