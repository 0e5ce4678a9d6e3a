"""Carriers without a gateway around them."""

import asyncio
from collections.abc import Callable

from gateway.carrier import Address, Carrier, Port, Upward
from gateway.ortc import IceConnection

MakeCarrier = Callable[[Upward], Carrier]


class Ice:
    """What comes up goes to the connection, if there is one; all of it is remembered."""

    def __init__(self) -> None:
        self.connection: IceConnection | None = None
        self.raws: asyncio.Queue[bytes] = asyncio.Queue()
        self.controls: asyncio.Queue[bytes] = asyncio.Queue()
        self.began: list[int] = []

    def raw(self, port: Port, data: bytes, address: Address) -> None:
        self.raws.put_nowait(data)
        if self.connection is not None:
            self.connection.datagram(port, data, address)

    def learn(self, data: bytes, address: Address) -> None:
        return

    def rtcp_received(self, data: bytes) -> None:
        self.controls.put_nowait(data)

    def begun(self, payload_type: int) -> None:
        self.began.append(payload_type)
