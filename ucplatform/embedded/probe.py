"""Probes: is a role ready? Each asks the role itself, in the language that it speaks anyway.

A probe raises OSError, TimeoutError or ProbeError when it gets no answer, or one that makes no sense.
"""

import asyncio
import json
import secrets
import ssl
from dataclasses import dataclass
from typing import Any, Protocol

import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ucplatform import ng
from ucplatform.embedded.address import Address
from ucplatform.embedded.health import READY, Health

MAX_ANSWER = 65536


class ProbeError(Exception):
    """The role answered, but not as a ready one does."""


class Probe(Protocol):
    async def check(self, started: float) -> Health:
        """How the role is that began at unix time `started`."""


def redis_client(url: str) -> "redis.asyncio.Redis":
    """A client that reports trouble at once: whoever calls it tries again by itself."""
    retry = Retry(NoBackoff(), 0)
    return redis.asyncio.Redis.from_url(
        url, decode_responses=True, socket_timeout=2, socket_connect_timeout=2, retry=retry
    )


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """GET `path`; a JSON body may say more than the status: {"state": …, "lacks": […]}."""

    address: Address
    path: str

    async def check(self, started: float) -> Health:
        reader, writer = await self.address.connect()
        try:
            writer.write(f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.read(MAX_ANSWER)
        except asyncio.IncompleteReadError as error:
            raise ProbeError("the connection closed without an answer") from error
        finally:
            writer.close()
        status = head.split(b"\r\n", 1)[0].decode("latin-1")
        return self.judge(status.split(" ")[1:2] == ["200"], status, body)

    @staticmethod
    def judge(good: bool, status: str, body: bytes) -> Health:
        """The role's own word where it gives one, else its status."""
        try:
            said = json.loads(body)
        except ValueError:
            said = None
        if isinstance(said, dict) and isinstance(said.get("state"), str):
            return Health(said["state"], tuple(str(item) for item in said.get("lacks") or ()))
        if not good:
            raise ProbeError(status)
        return READY


# Nothing is told or believed here, only the handshake counts. It loads no authorities: that takes 50 ms.
_BELIEVES_ANYBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_BELIEVES_ANYBODY.check_hostname = False
_BELIEVES_ANYBODY.verify_mode = ssl.CERT_NONE


@dataclass(frozen=True, slots=True)
class FrontProbe:
    """HTTP answers, and HTTPS has its certificates: Caddy opens the port before it has made them."""

    http: HttpProbe
    https: Address

    async def check(self, started: float) -> Health:
        for name in ("", "localhost"):  # whoever names no host, or an unknown one, is shown the first of them
            _, writer = await asyncio.open_connection(
                self.https.host, self.https.port, ssl=_BELIEVES_ANYBODY, server_hostname=name
            )
            writer.close()
        return await self.http.check(started)


@dataclass(frozen=True, slots=True)
class NgProbe:
    """NG ping over UDP. Our gateway also says how many media ports are left, and which relay runs."""

    address: Address

    async def check(self, started: float) -> Health:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Answer(answer), remote_addr=(self.address.host, self.address.port)
        )
        cookie = secrets.token_hex(8)
        try:
            transport.sendto(ng.encode(cookie, {"command": "ping"}))
            echoed, said = ng.decode(await answer)
        except ng.NgError as error:
            raise ProbeError(f"no NG answer: {error}") from error
        finally:
            transport.close()
        if echoed != cookie or said.get("result") != "pong":
            raise ProbeError(f"no pong: {said.get('error-reason', said.get('result'))}")
        return self.judge(said)

    @staticmethod
    def judge(said: dict[str, Any]) -> Health:
        ports, relay = said.get("ports"), said.get("relay")
        relay = relay if isinstance(relay, str) else None
        if isinstance(ports, dict) and ports.get("free") == 0:
            return Health("exhausted", ("free media ports",), relay)
        return Health("ready", relay=relay)


class _Answer(asyncio.DatagramProtocol):
    """Fulfils the future with the first datagram, or with the error that the network reports."""

    def __init__(self, answer: "asyncio.Future[bytes]") -> None:
        self.answer = answer

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


@dataclass(frozen=True, slots=True)
class RedisProbe:
    """PING."""

    client: "redis.asyncio.Redis"

    async def check(self, started: float) -> Health:
        try:
            await self.client.ping()
        except redis.RedisError as error:
            raise ProbeError(str(error)) from error
        return READY


@dataclass(frozen=True, slots=True)
class BeatProbe:
    """A key in Redis that the role writes while it turns: unix time as text, younger than the role itself."""

    client: "redis.asyncio.Redis"
    key: str

    async def check(self, started: float) -> Health:
        try:
            beat = await self.client.get(self.key)
        except redis.RedisError as error:
            raise ProbeError(str(error)) from error
        if beat is None or float(beat) < started:
            raise ProbeError("no heartbeat yet")
        return READY
