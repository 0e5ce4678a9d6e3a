"""A process dies under calls that people are in: they hear each other on, either side can hold, resume and
hang up, everybody is still registered, and each call is in the history once."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import MakePhone
from tests.e2e.instance import Instance, Person
from tests.e2e.sipp import Sipp
from tests.e2e.wait import until
from tests.long.agents import Refused, Talk, UdpAgent
from tests.long.house import House, variant

CALLS = 10  # that callers end, and as many that callees end
TALK_MS = 40_000
PAUSE = '<pause milliseconds="500"/>'
LONG_PAUSE = f'<pause milliseconds="{TALK_MS}"/>'
# SIPp sends no sound: an inactive stream is one that nobody misses.
SILENT = ("a=sendrecv", "a=inactive")
INVITE = '<recv request="INVITE"/>'
NOTES_DIALOG = """<recv request="INVITE">
    <action>
      <ereg regexp="sip:[^;>]*" search_in="hdr" header="Contact:" check_it="true" assign_to="1"/>
      <ereg regexp=" .*" search_in="hdr" header="From:" check_it="true" assign_to="2"/>
    </action>
  </recv>"""
RECEIVES_BYE = """<recv request="BYE"/>
  <send>
    <![CDATA[
      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Content-Length: 0

    ]]>
  </send>"""
SENDS_BYE = f"""{LONG_PAUSE}
  <send retrans="500">
    <![CDATA[
      BYE [$1] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=[branch]
      Max-Forwards: 70
      From: <sip:callee@[local_ip]>;tag=[pid]s[call_number]
      To:[$2]
      Call-ID: [call_id]
      CSeq: 100 BYE
      Content-Length: 0

    ]]>
  </send>
  <recv response="200"/>"""


def scenarios(directory: Path) -> dict[str, tuple[str, str]]:
    """Who hangs up → (callee, caller)."""
    caller = variant(directory / "a", "caller_talks", (PAUSE, LONG_PAUSE), SILENT)
    text = Path(f"{caller}.xml").read_text()
    hangs_up = text[text.index(LONG_PAUSE) : text.index("<Reference")]
    return {
        "caller": (variant(directory / "a", "callee_answers", SILENT), caller),
        "callee": (
            variant(
                directory / "b", "callee_answers", SILENT, (INVITE, NOTES_DIALOG), (RECEIVES_BYE, SENDS_BYE)
            ),
            variant(
                directory / "b",
                "caller_talks",
                (PAUSE, LONG_PAUSE),
                SILENT,
                (hangs_up, RECEIVES_BYE + "\n  "),
            ),
        ),
    }


class Talks:
    """Twenty established calls; `finish` lets them come to their ends."""

    def __init__(self, house: House, callers: list[Person], phones: list[Sipp]) -> None:
        self._house = house
        self._callers = callers
        self._phones = phones

    def finish(self) -> None:
        """Each ends as its scenario says, and is written down once."""
        for phone in self._phones:
            phone.wait().assert_all(CALLS)
        rows = self._house.wait_records(self._callers, 2 * CALLS)
        ends = Counter((row["result"], row["hung_up_by"]) for row in rows)
        assert ends == {("answered", "caller"): CALLS, ("answered", "callee"): CALLS}


@contextmanager
def twenty_calls(house: House, directory: Path) -> Iterator[Talks]:
    with ExitStack() as stack:
        callers, phones, about_to_call = [], [], []
        for by, (callee, caller) in scenarios(directory / "scenarios").items():
            called, calling = house.crowd(CALLS), house.crowd(CALLS)
            (directory / by).mkdir()
            port = house.sign_in(directory / by, called)
            phones.append(stack.enter_context(house.callees(directory / by / "callee", port, CALLS, callee)))
            pairs = [(a, b.number) for a, b in zip(calling, called, strict=True)]
            about_to_call.append((directory / by / "caller", pairs, CALLS, caller))
            callers += calling
        phones += [stack.enter_context(house.caller(*call)) for call in about_to_call]
        until(lambda: house.talking() >= 2 * CALLS, 15, "twenty calls stored as talking", every=0.2)
        yield Talks(house, callers, phones)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_the_edge_ends_under_twenty_calls(
    house: House, instance: Instance, make_phone: MakePhone, tmp_path: Path, number: signal.Signals
):
    first, second = instance.take_person(web=False), instance.take_person(web=False)
    caller, callee = make_phone(first), make_phone(second, frequency=700, answer="auto")
    caller.dial(second.number)
    caller.wait_hears(700)
    with twenty_calls(house, tmp_path) as talks:
        registered = house.registrations()
        assert {first.number, second.number} < registered.keys()
        os.kill(pid := instance.pid("edge-1"), number)
        caller.wait_hears(700)
        callee.wait_hears(440)
        house.wait_ready(unlike=pid)
        assert registered.items() <= house.registrations().items()
        assert house.edge()["registrations"] >= len(registered)
        assert house.calls() >= 2 * CALLS + 1
        talks.finish()
    callee.hang_up()
    caller.wait_ended()
    assert house.wait_records([first], 1)[0]["hung_up_by"] == "callee"
    assert house.free_ports()[0] == house.free_ports()[1]
    since = caller.dial(second.number)  # and a new call goes as any other
    caller.wait_talking(since=since)
    caller.hang_up()


@pytest.mark.timeout(180)
def test_redis_killed_during_calls_ends_none(
    house: House, instance: Instance, make_phone: MakePhone, tmp_path: Path
):
    first, second = instance.take_person(web=False), instance.take_person(web=False)
    caller, callee = make_phone(first), make_phone(second, frequency=700, answer="auto")
    caller.dial(second.number)
    caller.wait_hears(700)
    with twenty_calls(house, tmp_path) as talks:
        registered, calls = house.registrations(), house.calls()
        pid = house.redis_pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        callee.wait_hears(440)
        assert house.calls() == calls
        until(lambda: house.redis_pid() not in (None, pid), 20, "another Redis")
        house.wait_ready()
        until(
            lambda: registered.items() <= house.registrations().items(), 15, "the registrations stored again",
            every=0.2,
        )  # fmt: skip
        talks.finish()
    caller.hang_up()
    callee.wait_ended()
    assert house.wait_records([first], 1)[0]["hung_up_by"] == "caller"


MANY = 200
AT_ONCE = 20  # calls that are being set up, or held and resumed, at a time
ENOUGH = 0.99  # of the calls
IN_TIME = 3.0  # seconds that each of hold, resume and hang-up may take


class Party:
    """Two hundred who call, two hundred who are called; all of them registered."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.calling, self.called = house.crowd(MANY), house.crowd(MANY)
        self.pairs: list[tuple[Talk, Talk]] = []

    async def begin(self) -> None:
        server, domain = self.house.instance.sip, self.house.instance.domain
        self.callers = await UdpAgent.open(server, domain)
        self.callees = await UdpAgent.open(server, domain)
        gate = asyncio.Semaphore(AT_ONCE)

        async def arrive(caller: Person, callee: Person) -> None:
            async with gate:
                await self.callees.register(callee)
                await self.callers.register(caller)
                talk = await self.callers.call(caller, callee.number)
            theirs = next(t for t in self.callees.talks.values() if t.number == callee.number)
            self.pairs.append((talk, theirs))

        await asyncio.gather(*map(arrive, self.calling, self.called))

    async def go_on(self) -> list[float]:
        """Every call is held and resumed from both sides and hung up, by the callers and the callees in turn.
        The slowest step of each call that went as it should, seconds."""

        gate = asyncio.Semaphore(AT_ONCE)

        async def in_turn(number: int, sides: tuple[Talk, Talk]) -> float:
            async with gate:
                return await one(number, sides)

        async def one(number: int, sides: tuple[Talk, Talk]) -> float:
            slowest = 0.0
            for talk, other in (sides, sides[::-1]):
                for direction, answer in (("sendonly", "recvonly"), ("sendrecv", "sendrecv")):
                    begun = time.monotonic()
                    assert await talk.describe(direction) == answer
                    slowest = max(slowest, time.monotonic() - begun)
                    assert other.theirs == direction
            talk, other = sides if number % 2 else sides[::-1]
            begun = time.monotonic()
            await talk.hang_up()
            await asyncio.wait_for(other.ended.wait(), IN_TIME)
            return max(slowest, time.monotonic() - begun)

        going = [in_turn(number, sides) for number, sides in enumerate(self.pairs)]
        done = await asyncio.gather(*going, return_exceptions=True)
        for error in done:
            if not isinstance(error, float | Refused | AssertionError | TimeoutError):
                raise error
        return [took for took in done if isinstance(took, float)]

    def close(self) -> None:
        self.callers.close()
        self.callees.close()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_after_a_restart_200_calls_are_held_resumed_and_hung_up_in_time(
    house: House, number: signal.Signals
):
    party = Party(house)
    await party.begin()
    try:
        await asyncio.to_thread(until, lambda: house.talking() >= MANY, 20, "all stored as talking", 0.2)
        registered = house.registrations()
        assert {person.number for person in (*party.calling, *party.called)} <= registered.keys()
        begun = time.monotonic()
        await asyncio.to_thread(house.end, "edge-1", number)
        away = time.monotonic() - begun
        assert registered.items() <= house.registrations().items()
        assert house.edge()["registrations"] >= len(registered)
        took = await party.go_on()
    finally:
        party.close()
    in_time = [seconds for seconds in took if seconds <= IN_TIME]
    print(
        f"edge away for {away:.1f} s; {len(in_time)} of {MANY} calls in time, slowest step {max(took):.2f} s"
    )
    assert len(in_time) >= ENOUGH * MANY
