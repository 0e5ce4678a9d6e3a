"""The gateway as a whole: what runs beside the NG server, and its clean end."""

import asyncio
import logging
import time
from collections.abc import Callable

from aiortc import RTCCertificate

from gateway.carrier import Carrier, Guard, PythonCarrier, Upward
from gateway.commands import Commands
from gateway.config import Config, ConfigError
from gateway.events import EventLog
from gateway.native import NativeRelay, available
from gateway.ports import PortPool
from gateway.server import NgServer
from gateway.termination import Services
from gateway.transcoder import Transcoder

logger = logging.getLogger(__name__)

SLICES = 5  # legs report in turns, so that many calls make no bursts
CERTIFICATE_AGE = 86400.0  # seconds; aiortc's certificates are valid for 30 days


class Gateway:
    """`await start()`, then it serves until `await close()`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.events = EventLog()
        self.ports = PortPool(config.first_port, config.last_port, config.dscp)
        self._certificate: RTCCertificate | None = None
        self._certified = 0.0
        self.transcoder = Transcoder()
        self._native = native_relay(config.relay)
        carrier: Callable[[Upward, Guard], Carrier] = (
            self._native.carrier if self._native is not None else PythonCarrier
        )
        services = Services(
            config, self.ports, self.events, self.certificate, self.transcoder, carrier,
            "native" if self._native is not None else "python",
        )  # fmt: skip
        self.commands = Commands(services)
        self.server = NgServer(self.commands, self.events, config.peers)
        self.port = 0
        self._rounds: asyncio.Task[None] | None = None

    def certificate(self) -> RTCCertificate:
        """One for all transports of a day: making it takes longer than all else of a leg."""
        now = time.monotonic()
        if self._certificate is None or now - self._certified > CERTIFICATE_AGE:
            self._certificate, self._certified = RTCCertificate.generateCertificate(), now
        return self._certificate

    async def start(self) -> None:
        """OSError when the NG port is taken."""
        self.port = await self.server.start(self.config.ng_host, self.config.ng_port)
        self.certificate()
        self._rounds = asyncio.create_task(self._go_round())

    async def _go_round(self) -> None:
        """Reports, watching for silence, and for calls whose edge is gone."""
        turn = 0
        while True:
            await asyncio.sleep(self.config.report_interval / SLICES)
            turn = (turn + 1) % SLICES
            legs = [leg for call in self.commands.calls.values() for leg in call.legs.values()]
            for leg in legs[turn::SLICES]:
                leg.report()
            try:
                await self.commands.end_unclaimed()
            except Exception:
                logger.exception("looking for unclaimed calls failed")

    async def close(self) -> None:
        """End all calls and listen no more."""
        if self._rounds is not None:
            self._rounds.cancel()
            await asyncio.gather(self._rounds, return_exceptions=True)
        await self.commands.close()
        await self.transcoder.close()
        await self.server.close()
        if self._native is not None:
            self._native.close()


def native_relay(wish: str) -> NativeRelay | None:
    """The thread, where it was built and is wanted. ConfigError when it is demanded and was not built."""
    if wish == "native" and not available():
        raise ConfigError("UC_RELAY: the native relay was not built; it needs a C compiler at set-up")
    return NativeRelay() if wish != "python" and available() else None
