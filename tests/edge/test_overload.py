"""When there is too much to do, who is sent away, and when it is over."""

import asyncio
import socket
import time

import pytest

from ucplatform.edge.limits import Limits
from ucplatform.edge.overload import (
    CALM_SECONDS,
    DATAGRAM_OCTETS,
    NEWCOMERS,
    NOBODY,
    STRANGERS,
    TICK_SECONDS,
    Overload,
    Watch,
)
from ucplatform.edge.udp import UdpListener, udp_socket, waiting


class Bench:
    """An edge that answers a thousand messages a second, as a list of samples."""

    def __init__(self) -> None:
        self.overload = Overload()
        self.now = 100.0
        self.queue = 0

    def run(
        self, seconds: float, *, queue: int = 0, late: float = 0.0, busy: float = 0.02, media: float = 0.0
    ):
        """Samples over `seconds` with so many datagrams waiting; the levels that came out."""
        levels = set()
        end = self.now + seconds
        while self.now < end:
            self.now += TICK_SECONDS + late
            self.overload.served += 20
            octets = queue * DATAGRAM_OCTETS
            self.overload.sample(self.now, late=late, busy=busy, queued=octets, media=media)
            levels.add(self.overload.level)
        return levels


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.run(2.0)
    assert bench.overload.cost == pytest.approx(0.001, rel=0.05)
    return bench


def test_a_burst_is_no_overload(bench, lines):
    assert bench.run(0.2, queue=2000) == {NOBODY}
    assert bench.run(1.0, queue=20) == {NOBODY}
    assert not lines.about("overload")


def test_what_stands_for_a_while_is_and_sends_away_strangers_first(bench):
    bench.run(0.5, queue=200)
    assert bench.overload.level == STRANGERS
    refused = sum(bench.overload.full(credentials=False) for _ in range(1000))
    assert 0 < refused < 1000, "only some: the others have work for the edge"
    assert not any(bench.overload.full(credentials=True) for _ in range(1000))


def test_fewer_and_fewer_are_let_in_while_it_is_too_much_and_more_while_it_is_little(bench):
    bench.run(0.3, queue=200)
    before = bench.overload.share
    bench.run(0.2, queue=200)
    fewer = bench.overload.share
    assert 0 < fewer < before < 1
    bench.run(0.1, queue=100)
    enough = bench.overload.share
    bench.run(0.5, queue=100)
    assert bench.overload.share == pytest.approx(enough, rel=0.1), "neither: it goes on as it is"
    bench.run(0.1, queue=60)
    assert enough < bench.overload.share < 1


def test_far_too_much_sends_away_all_newcomers(bench):
    bench.run(0.5, queue=400)
    assert bench.overload.level == NEWCOMERS and bench.overload.full()
    assert {bench.overload.retry_after() for _ in range(200)} == set(range(5, 16))


def test_while_it_is_too_much_the_time_counts_that_callers_wait(bench):
    bench.run(0.5, queue=200)
    bench.run(0.1, queue=100, busy=0.005)  # others have three quarters of the machine
    share = bench.overload.share
    bench.run(0.3, queue=100, busy=0.005)
    assert share == pytest.approx(bench.overload.share, rel=0.1), "100 ms of waiting are what is aimed at"


def test_newcomers_are_welcome_again_when_the_work_is_done_and_not_before(bench):
    bench.run(0.5, queue=400)
    assert bench.run(1.0, queue=60) == {STRANGERS}
    bench.run(2.5, queue=20)
    assert bench.overload.level == NOBODY and bench.overload.share == 1.0


def test_during_an_overload_there_is_no_patience(bench, lines):
    bench.run(0.5, queue=400)
    bench.run(3.0, queue=0)
    assert bench.overload.level == NOBODY
    assert bench.run(TICK_SECONDS, queue=200) == {STRANGERS}
    assert len(lines.about("overloaded because=datagrams")) == 1


def test_it_is_told_once_and_again_when_it_is_over(bench, lines):
    bench.run(3.0, queue=400)
    for _ in range(7):
        bench.overload.retry_after()
    while bench.overload.level:
        bench.run(TICK_SECONDS, queue=0)
    bench.run(CALM_SECONDS - 0.1, queue=0)
    assert not lines.about("overload-over")
    bench.run(0.3, queue=0)
    assert len(lines.about("overload-over")) == 1 and "refused=7" in lines.about("overload-over")[0]
    assert bench.run(0.2, queue=400) == {NOBODY}, "the next one must stand for a while again"


def test_a_loop_that_is_late_by_its_own_work_is_overloaded(bench):
    assert NEWCOMERS in bench.run(3.0, late=0.35, busy=0.35)


def test_a_loop_that_is_late_because_others_have_the_machine_is_not(bench):
    assert bench.run(5.0, late=0.5, busy=0.02) == {NOBODY}


def test_engines_that_do_not_keep_up_are_an_overload(bench, lines):
    bench.run(0.5, media=0.2)
    assert bench.overload.level == STRANGERS and lines.about("because=media")


def test_a_stall_is_over_when_the_loop_runs_again(bench):
    bench.overload.sample(bench.now + 3.0, late=3.0, busy=0.05, queued=300 * DATAGRAM_OCTETS, media=0.0)
    assert bench.run(0.1, queue=250) == {NOBODY}


async def test_the_watch_sees_a_busy_loop():
    overload = Overload()
    watch = Watch(overload, asyncio.get_running_loop(), queued=lambda: 0, media=lambda: 0.0)
    watch.start()
    end = time.monotonic() + 10
    while not overload.level and time.monotonic() < end:
        began = time.thread_time()
        while time.thread_time() < began + 0.18:
            pass
        await asyncio.sleep(0)
    assert overload.level
    while overload.level and time.monotonic() < end:
        await asyncio.sleep(TICK_SECONDS)
    assert not overload.level
    watch.stop()


async def test_datagrams_that_nobody_has_read_are_counted():
    with udp_socket(("127.0.0.1", 0), Limits()) as sock, socket.socket(type=socket.SOCK_DGRAM) as peer:
        assert waiting(sock) == 0
        for _ in range(100):
            peer.sendto(b"x" * 700, sock.getsockname())
        assert 100 * 700 < waiting(sock) < 100 * 4608
        sock.recv(65536)
    assert UdpListener.queued
