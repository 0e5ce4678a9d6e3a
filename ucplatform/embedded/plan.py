"""The plan: which roles are to run, how each is started, where it listens and what shows that it is ready."""

import fcntl
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from ucplatform.embedded.address import AddressError, Port
from ucplatform.embedded.probe import Probe

SAFE_SOCKET_PATH = 100  # of the 107 octets that the kernel allows
LAST_STAGE = 2


@dataclass(frozen=True, slots=True)
class Role:
    """`stage` orders the stop (0 first, LAST_STAGE what all others need); `first` roles must be ready before
    the others start; `gone` is the socket file that a killed predecessor may have left."""

    name: str
    command: tuple[str, ...]
    probe: Probe
    ports: tuple[Port, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    stage: int = 1
    first: bool = False
    gone: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a supervisor runs. Children start in `directory`; logs and locks are kept in `data`."""

    roles: tuple[Role, ...]
    directory: Path
    data: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def only(self, names: Iterable[str]) -> "Plan":
        """The named roles alone; `edge` also means `edge-1`. Raises AddressError for an unknown name."""
        wanted = set(names)
        known = {key for role in self.roles for key in (role.name, role.name.split("-")[0])}
        if wanted - known:
            choice = ", ".join(role.name for role in self.roles)
            raise AddressError(f"No role is called {', '.join(sorted(wanted - known))}. There are: {choice}.")
        kept = [role for role in self.roles if {role.name, role.name.split("-")[0]} & wanted]
        return Plan(tuple(kept), self.directory, self.data, self.environment)

    def check(self) -> None:
        """Raise AddressError for the first port that cannot be had, or a socket path that is too long."""
        for role in self.roles:
            for port in role.ports:
                port.check(role.name)
            if role.gone and len(os.fsencode(role.gone)) > SAFE_SOCKET_PATH:
                raise AddressError(
                    f"{role.gone} is too long for a socket: set UC_DATA_DIR to a shorter path."
                )

    def lock(self) -> list[TextIO]:
        """Hold <data>/run/<role>.lock for every role; raise AddressError when another supervisor runs one.
        The locks last as long as the returned files are open."""
        held: list[TextIO] = []
        for role in self.roles:
            path = self.data / "run" / f"{role.name}.lock"
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            stream = path.open("a+")
            held.append(stream)
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                stream.seek(0)
                raise AddressError(
                    f"{role.name} already runs on {self.data} (process {stream.read().strip()}). "
                    "Stop it, or set UC_DATA_DIR and other ports for a second install."
                ) from None
            stream.truncate(0)
            stream.write(f"{os.getpid()}\n")
            stream.flush()
        return held
