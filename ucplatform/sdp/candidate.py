"""ICE candidates as SDP writes them (RFC 8839 section 5.1)."""

from __future__ import annotations

from dataclasses import dataclass

from ucplatform.sdp.errors import SdpError
from ucplatform.sdp.line import number


@dataclass(frozen=True, slots=True)
class Candidate:
    """The value of an a=candidate attribute. `address` may be an mDNS name; `extensions` keep order."""

    foundation: str
    component: int
    transport: str
    priority: int
    address: str
    port: int
    type: str
    related_address: str | None = None
    related_port: int | None = None
    extensions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, value: str) -> Candidate:
        """Reads with and without the word `candidate:` in front; SdpError for anything malformed."""
        words = value.removeprefix("candidate:").split()
        if len(words) < 8 or words[6] != "typ" or len(words) % 2:
            raise SdpError("candidate wants eight fields and pairs behind them")
        pairs = list(zip(words[8::2], words[9::2], strict=True))
        related = {name: text for name, text in pairs if name in ("raddr", "rport")}
        return cls(
            words[0],
            number(words[1], 256, "component"),
            words[2],
            number(words[3], 2**32 - 1, "priority"),
            words[4],
            number(words[5], 65535, "port"),
            words[7],
            related.get("raddr"),
            number(related["rport"], 65535, "related port") if "rport" in related else None,
            tuple(pair for pair in pairs if pair[0] not in related),
        )

    def __str__(self) -> str:
        words = [
            self.foundation,
            str(self.component),
            self.transport,
            str(self.priority),
            self.address,
            str(self.port),
            "typ",
            self.type,
        ]
        if self.related_address is not None:
            words += ["raddr", self.related_address]
        if self.related_port is not None:
            words += ["rport", str(self.related_port)]
        for pair in self.extensions:
            words += pair
        return " ".join(words)
