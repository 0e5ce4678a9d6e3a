"""`python -m gateway`: serve until SIGTERM or SIGINT. Wrong settings or a taken port end it at once."""

import asyncio
import gc
import logging
import os
import signal
import sys

from gateway.config import Config, ConfigError
from gateway.gateway import Gateway

logger = logging.getLogger("gateway")


async def serve(config: Config) -> None:
    """OSError when the NG port is taken."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    gateway = Gateway(config)
    await gateway.start()
    # What start-up made stays for good. Looking through it again stopped every call for a tenth of a second.
    gc.collect()
    gc.freeze()
    places = ", ".join(f"{interface.name}={interface.advertised}" for interface in config.interfaces)
    logger.info(
        "gateway ready: NG on %s:%d, ports %d-%d, media on %s",
        config.ng_host, gateway.port, config.first_port, config.last_port, places,
    )  # fmt: skip
    await stop.wait()
    await gateway.close()
    logger.info("gateway stopped")


def main() -> int:
    """The exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("aioice").setLevel(logging.WARNING)
    try:
        config = Config.from_environment(os.environ)
    except ConfigError as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 2
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(config))
    except OSError as error:
        place = f"{config.ng_host}:{config.ng_port}"
        print(
            f"gateway: cannot listen on {place} (UC_GATEWAY_NG): {error.strerror or error}", file=sys.stderr
        )
        return 1
    return 0


def loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    """uvloop where it is installed; a packet costs half as much on it."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


if __name__ == "__main__":
    sys.exit(main())
