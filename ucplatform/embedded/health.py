"""What a probe finds out about a role."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Health:
    """`state` is `ready`, or another word that says why not; `lacks` names what is missing. `relay`, of a
    media engine: `native` or `python`."""

    state: str
    lacks: tuple[str, ...] = ()
    relay: str | None = None

    @property
    def ready(self) -> bool:
        return self.state == "ready"


READY = Health("ready")
