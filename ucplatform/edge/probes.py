"""When to call on devices behind a NAT (RFC 4787 REQ-5: it forgets a mapping that nobody uses), and what
their silence says. Times are Unix seconds; nobody is walked past whose time has not come."""

from __future__ import annotations

import heapq
import random

from ucplatform.pbx.registrar import Binding

#: NATs forget a UDP mapping after 30 s and more (RFC 4787 REQ-5 asks for two minutes, few obey).
EARLIEST, LATEST = 20.0, 28.0
#: A device that has answered OPTIONS before and misses this many is taken for gone.
MISSES = 3

Name = tuple[str, str]
"""Extension and the binding's key."""


def wanted(binding: Binding) -> bool:
    """Datagrams through a NAT. A device with outbound should keep its flows alive itself (RFC 5626 4.4), but
    not all that say so do."""
    return binding.behind_nat and binding.flow.transport == "udp" and not binding.edge


class Probes:
    """A device that is watched is named by `due` again and again until it is forgotten then."""

    def __init__(self, rng: random.Random | None = None) -> None:
        # Spread out: devices that register all at once, after a power cut, are not asked all at once.
        self._random = rng or random.Random()
        self._heap: list[tuple[float, Name]] = []
        self._missed: dict[Name, int | None] = {}

    def __len__(self) -> int:
        return len(self._missed)

    def watch(self, name: Name, now: float) -> None:
        """Ask this device from now on; nothing changes for one that is asked already."""
        if name not in self._missed:
            self._missed[name] = None
            self._later(name, now)

    def _later(self, name: Name, now: float) -> None:
        heapq.heappush(self._heap, (now + self._random.uniform(EARLIEST, LATEST), name))

    def due(self, now: float) -> list[Name]:
        """The devices whose time has come. For each of them `asked` or `forget` is to be called."""
        names = []
        while self._heap and self._heap[0][0] <= now:
            names.append(heapq.heappop(self._heap)[1])
        return names

    def asked(self, name: Name, now: float) -> None:
        self._later(name, now)

    def forget(self, name: Name) -> None:
        """It is gone, or no NAT stands before it any more."""
        self._missed.pop(name, None)

    def answered(self, name: Name) -> None:
        if name in self._missed:
            self._missed[name] = 0

    def silent(self, name: Name) -> bool:
        """It did not answer; True when it has to be taken for gone. Only a device that ever answered is."""
        missed = self._missed.get(name)
        if missed is None:
            return False
        self._missed[name] = missed + 1
        return missed + 1 >= MISSES
