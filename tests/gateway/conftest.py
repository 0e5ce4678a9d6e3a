"""A gateway in this process, phones and browsers beside it; all of it on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aioice.ice
import pytest
import uvloop

from gateway.gateway import Gateway
from tests.gateway.browser import Browser
from tests.gateway.control import Control, config
from tests.gateway.phone import Phone


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of the running product; the plain calls are made on the other one besides."""
    if item.path.name == "test_relay_calls.py":
        return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.SelectorEventLoop}
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def browsers_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """aioice leaves loopback out; the browsers here shall need no other network."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    running = Gateway(config())
    await running.start()
    yield running
    await running.close()


@pytest.fixture
async def control(gateway: Gateway) -> AsyncIterator[Control]:
    client = await Control.open(gateway)
    yield client
    client.close()


@pytest.fixture
async def phones() -> AsyncIterator[Callable[..., Awaitable[Phone]]]:
    """Makes phones, and hangs them up in the end."""
    made: list[Phone] = []

    async def make(**how: object) -> Phone:
        made.append(await Phone.open(**how))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture
async def browsers() -> AsyncIterator[Callable[..., Browser]]:
    """Makes browsers, and closes them in the end."""
    made: list[Browser] = []

    def make(**how: object) -> Browser:
        made.append(Browser(**how))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        await one.close()
