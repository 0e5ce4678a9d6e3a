"""A gateway in this process, phones and browsers beside it; all of it on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aioice.ice
import pytest
import uvloop

from gateway.carrier import Guard, PythonCarrier
from gateway.gateway import Gateway
from gateway.native import NativeRelay
from tests.gateway.browser import Browser
from tests.gateway.carriers import MakeCarrier
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


#: made with both relays; all others with the native one
BOTH = {
    "test_relay_calls.py",
    "test_hold.py",
    "test_hostile.py",
    "test_strangers.py",
    "test_dtmf.py",
    "test_garbage.py",
    "test_sdes.py",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "relay" in metafunc.fixturenames and metafunc.definition.path.name in BOTH:
        metafunc.parametrize("relay", ["native", "python"], indirect=True)


@pytest.fixture
def relay(request: pytest.FixtureRequest) -> str:
    return str(getattr(request, "param", "native"))


@pytest.fixture(params=["native", "python"])
async def carrier(request: pytest.FixtureRequest) -> AsyncIterator[MakeCarrier]:
    """Makes carriers of a secure leg."""
    if request.param == "python":
        yield lambda upward: PythonCarrier(upward, Guard.DTLS)
        return
    thread = NativeRelay()
    yield lambda upward: thread.carrier(upward, Guard.DTLS)
    thread.close()


@pytest.fixture
async def gateway(relay: str) -> AsyncIterator[Gateway]:
    running = Gateway(config(relay=relay))
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

    async def make(kind: type[Phone] = Phone, **how: object) -> Phone:
        made.append(await kind.open(**how))
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
