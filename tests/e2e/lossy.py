"""A line that loses datagrams, in a known order of chances."""

from __future__ import annotations

import random
import selectors
import socket
import threading
from collections import Counter

Address = tuple[str, int]


class LossyLine:
    """What comes to `port` goes on to `far`, what comes back from there goes to who sent last; of both, the
    share `loss` is lost. One peer on either side. `lost` and `passed` count by the first word of a message.
    """

    def __init__(self, port: int, far: Address, *, loss: float, seed: int) -> None:
        self.lost: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()
        self._loss = loss
        self._chance = random.Random(seed)
        self._far_address = far
        self._near_address: Address | None = None
        self._near, self._far = _udp(port), _udp(0)
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._carry, name=f"lossy-{port}", daemon=True)
        self._thread.start()

    def __enter__(self) -> LossyLine:
        return self

    def __exit__(self, *_: object) -> None:
        self._wake.send(b"x")
        self._thread.join()
        for sock in (self._near, self._far, self._wake, self._woken):
            sock.close()

    def _carry(self) -> None:
        with selectors.DefaultSelector() as selector:
            for sock in (self._near, self._far, self._woken):
                selector.register(sock, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._woken:
                        return
                    self._pass_on(key.fileobj is self._near)

    def _pass_on(self, outward: bool) -> None:
        data, sender = (self._near if outward else self._far).recvfrom(65536)
        if outward:
            self._near_address = sender
        word = data.partition(b" ")[0].decode("ascii", "replace")
        if self._chance.random() < self._loss:
            self.lost[word] += 1
            return
        self.passed[word] += 1
        if outward:
            self._far.sendto(data, self._far_address)
        elif self._near_address is not None:
            self._near.sendto(data, self._near_address)


def _udp(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.bind(("127.0.0.1", port))
    return sock
