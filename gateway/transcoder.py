"""Transcoding, seen from the relaying process: streams go to worker processes and come back encoded."""

import asyncio
import itertools
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable

from gateway import worker
from gateway.negotiate import Key
from gateway.relay import Outlet, new_source
from gateway.rtp import MARKER, payload_of

logger = logging.getLogger(__name__)

STREAMS_PER_WORKER = 60  # some 5 % of a core each with Opus, so that a worker is full at a few dozen
RESTART_DELAY = 1.0  # seconds
STOP_SECONDS = 2.0  # a worker that has not ended by then is killed

Produced = Callable[[int, int, bytes], None]


class Worker:
    """One worker process: started at once, and again when it dies. Packets are dropped while it is not
    `ready`."""

    def __init__(self) -> None:
        self.streams: dict[int, tuple[Key, Key, Produced]] = {}
        self.dropped = 0
        self.ready = False
        self._loop = asyncio.get_running_loop()
        self._restart: asyncio.TimerHandle | None = None
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._start()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    def _start(self) -> None:
        self._restart = None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "gateway.worker", str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        ours.setblocking(False)
        self._channel = ours
        self._loop.add_reader(ours.fileno(), self._readable)
        for number, (source, target, _) in self.streams.items():
            self._send(worker.encode_open(number, source, target))

    def open(self, number: int, source: Key, target: Key, produced: Produced) -> None:
        self.streams[number] = (source, target, produced)
        self._send(worker.encode_open(number, source, target))

    def data(self, number: int, sequence: int, timestamp: int, payload: bytes) -> None:
        """One packet of a stream; dropped when the worker is not up or has too much to do."""
        if self.ready:
            self._send(worker.REQUEST.pack(worker.DATA, number, sequence, timestamp) + payload)
        else:
            self.dropped += 1

    def close_stream(self, number: int) -> None:
        if self.streams.pop(number, None) is not None:
            self._send(worker.REQUEST.pack(worker.CLOSE, number, 0, 0))

    def _send(self, message: bytes) -> None:
        if self._channel is None:
            return
        try:
            self._channel.send(message)
        except OSError:  # BlockingIOError: its queue is full; others: it is dying, and `_readable` will see
            self.dropped += 1

    def _readable(self) -> None:
        for _ in range(64):  # then others have their turn
            if self._channel is None:
                return
            try:
                message = self._channel.recv(worker.MAX_MESSAGE)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self._died()
                return
            what, number, marker, position = worker.RESULT.unpack_from(message)
            if what == worker.READY:
                self.ready = True
            elif number in self.streams:
                self.streams[number][2](marker, position, message[worker.RESULT.size :])

    def _died(self) -> None:
        logger.error("transcoding worker %d has died; starting another", self.pid)
        self._hang_up()
        self._restart = self._loop.call_later(RESTART_DELAY, self._start)

    def _hang_up(self) -> None:
        """Close the channel, at which the worker ends by itself."""
        self.ready = False
        if self._channel is not None:
            self._loop.remove_reader(self._channel.fileno())
            self._channel.close()
            self._channel = None

    async def close(self) -> None:
        """The process has ended when this returns."""
        if self._restart is not None:
            self._restart.cancel()
        self._hang_up()
        if self._process is not None:
            process = self._process
            try:
                await asyncio.wait_for(asyncio.to_thread(process.wait), STOP_SECONDS)
            except TimeoutError:
                process.kill()


class Transcoder:
    """Hands streams to workers: as many as there are cores, each started when those before it are full."""

    def __init__(self) -> None:
        self._workers: list[Worker] = []
        self._numbers = itertools.count(1)
        self._most = os.cpu_count() or 1

    @property
    def pids(self) -> list[int]:
        return [one.pid for one in self._workers]

    @property
    def ready(self) -> bool:
        """Whether a packet that came now would be taken."""
        return any(one.ready for one in self._workers)

    def prepare(self) -> None:
        """A call rings that may need a worker: the first takes a second to be ready, and would miss its
        beginning."""
        if not self._workers:
            self._workers.append(Worker())

    def worker(self) -> Worker:
        """The least busy one."""
        free = [one for one in self._workers if len(one.streams) < STREAMS_PER_WORKER]
        if not free and len(self._workers) < self._most:
            self._workers.append(Worker())
            return self._workers[-1]
        return min(free or self._workers, key=lambda one: len(one.streams))

    def number(self) -> int:
        return next(self._numbers)

    async def close(self) -> None:
        for one in self._workers:
            await one.close()
        self._workers.clear()


class Transcode:
    """A route through a worker. Frames come back later and get the next numbers of the output stream."""

    __slots__ = (
        "_first_in",
        "_first_out",
        "_key",
        "_loop",
        "_number",
        "_source",
        "_ssrc",
        "_target",
        "_transcoder",
        "_worker",
        "in_clock",
        "out",
        "out_clock",
        "payload_type",
    )  # fmt: skip

    def __init__(
        self, transcoder: Transcoder, source: Key, target: Key, out: Outlet, payload_type: int
    ) -> None:
        self._transcoder = transcoder
        self._worker = transcoder.worker()
        self._number = 0
        self._key = new_source()
        self._ssrc = 0
        self._source, self._target = source, target
        self.out = out
        self.payload_type = payload_type
        self.in_clock, self.out_clock = source[1], target[1]
        self._first_in = self._first_out = 0
        self._loop = asyncio.get_running_loop()

    def forward(self, data: bytes, second: int, sequence: int, timestamp: int, ssrc: int, now: float) -> None:
        if self._begun(ssrc, timestamp, now):
            self._worker.data(self._number, sequence, timestamp, payload_of(data))

    def _begun(self, ssrc: int, timestamp: int, now: float) -> bool:
        """Feed the output stream from this packet on; False while something of our own is played in."""
        if self.out.fed_by(self._key, ssrc):
            return True
        first = self.out.begin(self._key, ssrc, self.out_clock, now)
        if first is None:
            return False
        self.close()
        self._number = self._transcoder.number()
        self._worker.open(self._number, self._source, self._target, self._produced)
        self._ssrc, self._first_in, self._first_out = ssrc, timestamp, first
        return True

    def _produced(self, marker: int, position: int, payload: bytes) -> None:
        if self.out.fed_by(self._key, self._ssrc):
            second = self.payload_type | (MARKER if marker else 0)
            self.out.append(second, self._first_out + position, payload, self._loop.time())

    def event(
        self, payload_type: int, second: int, timestamp: int, ssrc: int, payload: bytes, now: float
    ) -> None:
        """A telephone event of the same source: past the worker, on the same clock as its sound."""
        if self._begun(ssrc, timestamp, now):
            elapsed = (timestamp - self._first_in & 0xFFFFFFFF) * self.out_clock // self.in_clock
            self.out.append(second & MARKER | payload_type, self._first_out + elapsed, payload, now)

    def close(self) -> None:
        """Tell the worker that no more will come."""
        if self._number:
            self._worker.close_stream(self._number)
            self._number = 0


class TranscodedEvents:
    """Telephone events beside transcoded sound; durations on the other clock (RFC 4733 section 2.3.5)."""

    __slots__ = ("_denominator", "_numerator", "_payload_type", "_transcode")

    def __init__(self, transcode: Transcode, payload_type: int, clock_in: int, clock_out: int) -> None:
        self._transcode = transcode
        self._payload_type = payload_type
        self._numerator, self._denominator = clock_out, clock_in

    def forward(self, data: bytes, second: int, sequence: int, timestamp: int, ssrc: int, now: float) -> None:
        payload = payload_of(data)
        duration = int.from_bytes(payload[2:4], "big") * self._numerator // self._denominator
        scaled = payload[:2] + min(duration, 0xFFFF).to_bytes(2, "big")
        self._transcode.event(self._payload_type, second, timestamp, ssrc, scaled, now)
