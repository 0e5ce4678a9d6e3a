"""Whole edges for tests, in this process: one engine that answers everything, one Redis, telephones."""

from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

from tests.edge.conftest import Valkey, until
from tests.edge.telephone import StreamTelephone, Telephone
from ucplatform.edge.house import house_of
from ucplatform.edge.process import Database, Edge
from ucplatform.edge.switchboard import Switchboard
from ucplatform.pbx.ports import Account
from ucplatform.sip.digest import ha1
from ucplatform.sip.message import Request

DOMAIN = "house.example"
NUMBERS = ("200", "201", "202")


def accounts() -> list[Account]:
    return [
        Account(n, f"Desk {n}", None, *(ha1(n, DOMAIN, f"secret-{n}", kind) for kind in ("MD5", "SHA-256")))
        for n in NUMBERS
    ]


class House:
    """Edges over one engine, one Redis; `start("1")` runs one, `telephone("200", edge)` opens a device."""

    def __init__(self, valkey: Valkey, engine: str, stack: AsyncExitStack) -> None:
        self._url, self._engine, self._stack = valkey.url, engine, stack
        self._data = valkey.directory

    async def start(self, name: str, **more: Any) -> Edge:
        data = self._data / name
        data.mkdir(exist_ok=True)
        settings = SimpleNamespace(
            **{
                "UC_EDGE_ID": name,
                "UC_EDGE_LINK": f"unix:{self._data}/{name}.link",
                "UC_SECRET_KEY": "k",
                "UC_DATA_DIR": str(data),
                "UC_TRACE_DIR": data / "trace",
                "UC_DOMAIN": DOMAIN,
                "UC_SIP_UDP": "127.0.0.1:0",
                "UC_SIP_TCP": "127.0.0.1:0",
                "UC_SIP_TLS": "",
                "UC_TLS_CERT": "",
                "UC_TLS_KEY": "",
                "UC_TLS_DIR": "",
                "UC_TLS_CLIENT_CA": "",
                "UC_TLS_CLIENT_REQUIRED": False,
                "UC_MEDIA_ENGINES": [self._engine],
                "UC_MEDIA_ADDRESSES": "loop=127.0.0.1",
                "UC_SIP_TRUSTED": [],
                "UC_ALLOWED_ORIGINS": [],
                "REDIS_URL": self._url,
                **more,
            }
        )
        database = Database(accounts, lambda: 1, dict, lambda records: None, (OSError,))
        edge = Edge(settings, database, lambda **parts: switchboard(settings, parts))
        self._stack.push_async_callback(edge.stop)
        await edge.start()
        return edge

    async def pair(self, **more: Any) -> tuple[Edge, Edge]:
        one, two = await self.start("1", **more), await self.start("2", **more)
        await until(lambda: one.health()["edges"] == {"2": "linked"})
        await until(lambda: two.health()["edges"] == {"1": "linked"})
        return one, two

    async def telephone(self, number: str, edge: Edge, host: str = "127.0.0.1") -> Telephone:
        """A device on UDP at `host`."""
        server = next(a for a in edge.transports.addresses("udp") if (":" in a[0]) == (":" in host))
        phone = Telephone(number, f"secret-{number}", server, DOMAIN)
        self._stack.callback(phone.close)
        return await phone.open(host)

    async def connected(self, number: str, edge: Edge, kind: str = "tcp", place: int = 0) -> StreamTelephone:
        """A device with a connection to the listener of that kind and place."""
        server = edge.transports.addresses(kind)[place]
        phone = StreamTelephone(number, f"secret-{number}", server, DOMAIN)
        self._stack.callback(phone.close)
        return await phone.connect(kind)


def switchboard(settings: Any, parts: dict[str, Any]) -> Switchboard:
    """A page's password is that of its number; its credential never ends."""
    password = lambda name: f"secret-{name.split('!')[1]}"  # noqa: E731
    return Switchboard(house=house_of(settings), secret=b"nonces", page_password=password, **parts)


def known(edge: Edge, number: str) -> list[Any]:
    return list(edge._switchboard.devices.of(number))


async def talk(caller: Telephone, callee: Telephone) -> tuple[Any, Request]:
    """A call that is up: the caller's 200 and the INVITE that the callee got."""
    return await caller.call(callee)
