"""The session timer of one leg as a value (RFC 4028). Who acts on it stands in `features.refresh`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

#: The least interval that the RFC allows (section 4), in seconds; ours too.
LEAST = 90


@dataclass(slots=True)
class SessionTimer:
    """`seconds`: the interval, 0 without a timer. `ours`: we refresh, else the peer does. `least`: the Min-SE
    that the peer has asked for. `refreshed`: when it was last, in Unix seconds."""

    seconds: int = 0
    ours: bool = False
    least: int = LEAST
    refreshed: float = 0.0

    @property
    def ends(self) -> float:
        """When the side that does not refresh gives up (section 10), in Unix seconds."""
        return self.refreshed + self.seconds - min(32.0, self.seconds / 3)

    @property
    def due(self) -> float:
        """When we have to do something: refresh at half the interval (section 7.2), or give up."""
        return self.refreshed + self.seconds / 2 if self.ours else self.ends

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
