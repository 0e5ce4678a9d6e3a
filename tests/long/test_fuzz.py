"""Minutes instead of the minute that `make test` has, and what one input at a time cannot tell: a gateway and
a browser's port under garbage. UC_FUZZ_SECONDS sets how long all of them take together."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct

import pytest
from aioice import stun

from gateway.carrier import Guard, PythonCarrier
from gateway.dtmf import Detector
from gateway.errors import PacketError
from gateway.gateway import Gateway
from gateway.ortc import IceConnection
from gateway.relay import Events, Forward, OutStream, RescaledEvents, new_source
from gateway.rtp import HEADER, HEADER_LENGTH
from tests.fuzz.media_targets import PACKET_WORDS, packets
from tests.fuzz.mutate import changed
from tests.fuzz.search import by_hypothesis, by_mutation
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS
from tests.gateway.calls import phone_calls_phone
from tests.gateway.carriers import Ice
from tests.gateway.control import Control, config
from tests.gateway.phone import Phone

LONG = pytest.mark.timeout(1200)
OTHERS = 3  # searches of this file, each with the share of one target
SHARES = sum(target.share for target in TARGETS.values()) + OTHERS


def seconds(share: float = 1.0) -> float:
    """How long one search goes on: its share of UC_FUZZ_SECONDS."""
    return float(os.environ.get("UC_FUZZ_SECONDS") or 300) * share / SHARES


@LONG
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_unexpected(name: str) -> None:
    target = TARGETS[name]
    by_mutation(target, 0.8 * seconds(target.share))
    by_hypothesis(target, 0.2 * seconds(target.share))


@LONG
def test_packets_on_their_way_through_the_relay() -> None:
    out = OutStream(lambda data: True)
    onward = Forward(new_source(), out, 101, 8000)
    routes = [
        onward,
        Events(Detector(), lambda digit: None, onward),
        Events(Detector(), lambda digit: None, RescaledEvents(onward, 6, 1)),
    ]

    def check(data: bytes) -> None:
        if len(data) >= HEADER_LENGTH:
            _, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
            for route in routes:
                try:
                    route.forward(data, second, sequence, timestamp, ssrc, 1.0)
                except PacketError:
                    pass

    by_mutation(Target("relay", check, (), packets(), PACKET_WORDS, 1500), seconds())


def _stun() -> list[bytes]:
    """A connectivity check as a browser sends it, its answer, and a plain binding request."""
    check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    check.attributes |= {
        "USERNAME": "ours:theirs",
        "PRIORITY": 1,
        "ICE-CONTROLLING": 5,
        "USE-CANDIDATE": None,
    }
    check.add_message_integrity(b"password")
    answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, check.transaction_id)
    answer.attributes["XOR-MAPPED-ADDRESS"] = ("192.0.2.1", 4000)
    answer.add_fingerprint()
    return [bytes(check), bytes(answer), bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST))]


@LONG
async def test_stun_and_all_else_at_a_browsers_port() -> None:
    """What comes to the port of a WebRTC leg raises nothing at all, whichever protocol it looks like."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.bind(("127.0.0.1", 0))
    upward = Ice()
    connection = upward.connection = IceConnection([sock], False, PythonCarrier(upward, Guard.DTLS))
    await connection.gather_candidates()
    port = connection.ports[0]
    hello = struct.pack("!BHH", 22, 0xFEFD, 1) + bytes(60)
    try:
        seeds = (*_stun(), hello, *packets())

        def check(data: bytes) -> None:
            port.datagram_received(data, ("127.0.0.1", 9))

        by_mutation(Target("browser-port", check, (), seeds, PACKET_WORDS, 1500), seconds())
    finally:
        await connection.close()


@LONG
async def test_a_gateway_under_garbage_still_carries_the_call() -> None:
    """A live call whose ports get mutated RTP and RTCP from the right address: nothing is raised in the loop,
    requests are answered, and the sound is there afterwards."""
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
    gateway = Gateway(config())
    await gateway.start()
    control = await Control.open(gateway)
    alice, bob = await Phone.open(), await Phone.open()
    try:
        await phone_calls_phone(control, alice, bob)
        alice.talk()
        bob.talk()
        assert abs(await bob.tone() - 440) < 20
        await _shower(control, alice)
        start = len(bob.heard)
        await bob.until(lambda: len(bob.heard) >= start + 200)  # what was still on its way is past
        assert abs(await bob.tone(len(bob.heard)) - 440) < 20
        await control.ask("delete", "c1", from_tag="a")
        assert not faults, faults
    finally:
        await alice.close()
        await bob.close()
        control.close()
        await gateway.close()


async def _shower(control: Control, alice: Phone) -> None:
    """Garbage for the time that is ours, as fast as the gateway answers a ping after each handful."""
    chance = random.Random()
    corpus = [packet for packet in packets() if packet[1] & 0x7F != 0]  # not sound: that would be heard
    end = asyncio.get_running_loop().time() + seconds()
    while asyncio.get_running_loop().time() < end:
        for _ in range(20):
            data = changed(chance, corpus, PACKET_WORDS, 1500)
            if data[:2] and not (len(data) > 1 and data[1] & 0x7F == 0):
                alice.transport.sendto(data, alice.peer)
        assert (await control.ask("ping"))["result"] == "pong"
