"""The running edge under 300,000 mutated datagrams: a good caller is served all the while, and nothing of it
stays."""

from __future__ import annotations

import random
import secrets
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.e2e.instance import Person
from tests.e2e.wait import until
from tests.fuzz.mutate import changed
from tests.fuzz.sip_targets import MESSAGES, WORDS
from tests.long.house import House

pytestmark = pytest.mark.alone  # beside others the pace would change, and the edge's size with it

DATAGRAMS = 300_000
#: what fills the caches and memories that have a limit, and makes the heap as large as this traffic needs it:
#: it grows over the first 110,000. A leak shows in the 300,000 after them, whatever came before.
WARM_UP = 120_000
#: From where they come: so many that what an address may ask for keeps none of them out, and none is that of
#: the good caller, 127.0.0.1.
ATTACKERS = [f"127.3.0.{number}" for number in range(1, 151)]
BETWEEN = 50  # datagrams between two questions whether the edge still answers: less than an overload
#: Datagrams a second at most, close to what the edge takes: the heap becomes as large as the transactions of
#: 32 s want it, and what is compared is one pace with the same pace.
PACE = 1500
LONGEST = 8000  # octets: few datagrams of a network are longer
PATIENCE = 5.0  # seconds for an answer to OPTIONS
CALLS_A_SECOND = 2
MEMORY = 1.05  # of what it was before
#: until transactions of 32 s are gone, and what the allocator keeps is given back
SETTLED = 180
OPTIONS = (
    "OPTIONS sip:{server} SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch=z9hG4bK{branch}\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:asks@{own}>;tag=a\r\nTo: <sip:{server}>\r\nCall-ID: {branch}\r\n"
    "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


class Attacker:
    """Sends as fast as the edge takes it: after each handful somebody else asks it something, and waits."""

    def __init__(self, house: House) -> None:
        host, _, port = house.instance.sip.partition(":")
        self._server = (host, int(port))
        self._evil = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in ATTACKERS]
        for evil, address in zip(self._evil, ATTACKERS, strict=True):
            evil.bind((address, 0))
        self._witness = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._witness.connect(self._server)
        self._witness.settimeout(PATIENCE)
        self._chance = random.Random()
        self.sent = 0
        self.slowest = 0.0

    def shower(self, count: int) -> None:
        """So many datagrams; TimeoutError when the edge falls silent."""
        begun = time.monotonic()
        for number in range(count):
            # A branch and Call-ID of its own: else nearly all would be copies of what was answered before.
            data = changed(self._chance, MESSAGES, WORDS, LONGEST)
            data = data.replace(b"z9hG4bK", b"z9hG4bK" + secrets.token_hex(4).encode(), 1)
            self._evil[self.sent % len(self._evil)].sendto(data, self._server)
            self.sent += 1
            if number % BETWEEN == 0:
                self._ask()
                time.sleep(max(0.0, begun + number / PACE - time.monotonic()))

    def _ask(self) -> None:
        branch = secrets.token_hex(8)
        own = "{}:{}".format(*self._witness.getsockname())
        text = OPTIONS.format(server="{}:{}".format(*self._server), own=own, branch=branch)
        begun = time.monotonic()
        self._witness.send(text.encode())
        while branch.encode() not in self._witness.recv(65536):
            pass
        self.slowest = max(self.slowest, time.monotonic() - begun)

    def close(self) -> None:
        for own in (*self._evil, self._witness):
            own.close()


@pytest.mark.timeout(1800)
def test_300000_mutated_datagrams_leave_a_caller_served_and_no_memory_behind(house: House, tmp_path: Path):
    called, calling = house.crowd(10), house.crowd(10)
    pairs = [(a, b.number) for a, b in zip(calling, called, strict=True)]
    attacker = Attacker(house)
    try:
        good_calls(house, tmp_path / "warm", called, pairs, attacker, WARM_UP)
        before = settled(house)
        attacker.sent = 0
        good_calls(house, tmp_path / "shower", called, pairs, attacker, DATAGRAMS)
        assert attacker.sent == DATAGRAMS
    finally:
        attacker.close()
    limit = before * MEMORY
    until(lambda: house.calls() == 0, 60, "no call left", every=0.5)
    until(lambda: edge_memory(house) <= limit, SETTLED, f"no more than {limit:.1f} MiB", every=1)
    after = edge_memory(house)
    print(f"edge: {before:.1f} -> {after:.1f} MiB; slowest answer {attacker.slowest * 1000:.0f} ms")


def edge_memory(house: House) -> float:
    """MiB of the edge."""
    return house.footprint("edge-1").memory


def good_calls(
    house: House,
    directory: Path,
    called: list[Person],
    pairs: list[tuple[Person, str]],
    attacker: Attacker,
    datagrams: int,
) -> None:
    """Sign-ins and calls, all of which go well, for as long as the shower lasts."""
    shower = threading.Thread(target=attacker.shower, args=(datagrams,), daemon=True)
    sent, rounds, port = attacker.sent, 0, house.ports.take()
    shower.start()
    while shower.is_alive() or not rounds:
        count = 10 * CALLS_A_SECOND
        place = directory / str(rounds)
        place.mkdir(parents=True)
        port = house.sign_in(place, called, port)  # a registration lasts ten minutes
        with (
            house.callees(place / "callee", port, count, "callee_answers") as answering,
            house.caller(place / "caller", pairs, count, "caller_talks", CALLS_A_SECOND) as asking,
        ):
            asking.wait().assert_all(count)
            answering.wait().assert_all(count)
        rounds += 1
        print(f"{attacker.sent} datagrams, {rounds * count} good calls, edge {edge_memory(house):.1f} MiB")
    assert attacker.sent == sent + datagrams, "the edge fell silent"


def settled(house: House) -> float:
    """MiB of the edge once its transactions have ended: the same for ten seconds."""
    until(lambda: house.calls() == 0, 60, "no call left", every=0.5)
    last, since = edge_memory(house), time.monotonic()

    def same() -> bool:
        nonlocal last, since
        now = edge_memory(house)
        if abs(now - last) > 0.5:
            last, since = now, time.monotonic()
        return time.monotonic() - since > 40

    until(same, SETTLED, "the edge's size at rest", every=1)
    return last
