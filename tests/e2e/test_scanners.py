"""Those who look for open doors find none, are cut, and nobody else notices."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.instance import ROOT, Instance, Person
from tests.e2e.process import Child
from tests.e2e.stranger import Stranger
from tests.e2e.wait import until
from tests.ports import PortBlock
from ucplatform.sip.message import Response

pytestmark = pytest.mark.alone  # measures how long callers wait

ATTACKER, OTHER = "127.0.0.2", "127.0.0.4"
GUESSES = 10_000
SAMPLES = 20


@pytest.fixture(autouse=True, scope="module")
def forgiven(instance: Instance) -> Iterator[None]:
    """No ban of this file outlives it."""
    yield
    if ATTACKER in instance.manage("bans", "list"):
        instance.manage("bans", "lift", ATTACKER)


#: its own option for the address to send from does nothing in 0.3.8
RUN = """
import functools, sys
from sipvicious import {tool}
{tool}.{machine} = functools.partial({tool}.{machine}, bindingip="{source}")
sys.argv[0] = "{tool}"
{tool}.main()
"""
MACHINES = {"svwar": "TakeASip", "svcrack": "ASipOfRedWine"}


def sipvicious(tool: str, instance: Instance, ports: PortBlock, directory: Path, *options: str) -> Child:
    """svwar or svcrack, started at the attacker's address against the house."""
    code = RUN.format(tool=tool, machine=MACHINES[tool], source=ATTACKER)
    command = [
        sys.executable, "-c", code, "-x", ATTACKER, "-P", str(ports.take()), "-p", str(instance.sip_port),
        "--maximumtime", "1", *options, "127.0.0.1",
    ]  # fmt: skip
    return Child(command, directory / f"{tool}.log", env={"HOME": str(directory)}, cwd=directory)


@pytest.mark.parametrize("method", ["REGISTER", "OPTIONS"])
def test_svwar_finds_none_of_a_hundred_extensions(
    instance: Instance, ports: PortBlock, tmp_path: Path, method: str
):
    numbers = [*range(200, 260), *range(300, 340)]
    scan = sipvicious(
        "svwar", instance, ports, tmp_path, "--force", "-m", method, "-e", "200-259,300-339,700-709"
    )
    scan.wait(30)
    found = scan.text()
    assert "Traceback" not in found and not [n for n in numbers if f"| {n} " in found], found


def test_svcrack_opens_nothing_with_the_secret_among_its_words(
    instance: Instance, ports: PortBlock, tmp_path: Path, desk: Person
):
    words = [f"word-{number}" for number in range(GUESSES)]
    words[100] = desk.secret
    (tmp_path / "words.txt").write_text("\n".join(words) + "\n")
    crack = sipvicious(
        "svcrack",
        instance,
        ports,
        tmp_path,
        "-u",
        desk.number,
        "-d",
        "words.txt",
        "--domain",
        instance.domain,
    )
    log = instance.data / "log" / "edge-1.log"
    banned = f"banned address={ATTACKER} account={desk.number} minutes=5"
    until(lambda: banned in log.read_text(), 10, "the line about the ban")
    refused = log.read_text().count(f"username={desk.number}")
    until(lambda: "It has been" in crack.text() or crack.code is not None, 10, "svcrack hears nothing more")
    crack.stop()
    assert "Traceback" not in crack.text() and desk.secret not in crack.text(), crack.text()
    assert log.read_text().count(f"username={desk.number}") == refused <= 6
    assert f"{ATTACKER}\t{desk.number}" in instance.manage("bans", "list")


def test_a_guesser_is_cut_and_nobody_else_waits(instance: Instance, desk: Person):
    victim, good = instance.take_person(web=False), instance.take_person(web=False)
    with Stranger(instance, desk.number) as caller, Stranger(instance, good.number, ATTACKER) as neighbour:
        assert neighbour.signed("REGISTER", good.number, good).status == 200
        calls = [(caller, desk), (neighbour, good)]
        idle = [waits(*call) for call in calls]
        found, busy = meanwhile(
            lambda: subprocess.Popen(guesser(instance, victim), stdout=subprocess.PIPE, text=True, cwd=ROOT),
            calls,
        )
        # Afterwards too: what else this machine does comes and goes.
        idle = [before + waits(*call) for before, call in zip(idle, calls, strict=True)]
    assert set(found["statuses"]) <= {"403"} and found["statuses"]["403"] < 50, found
    assert found["cut_after"] < 2.0, found
    for before, during in zip(idle, busy, strict=True):
        assert len(during) >= 10 and p95(during) <= 2 * p95(before) + 0.010, (p95(before), p95(during), found)
    with Stranger(instance, victim.number) as phone:  # from an address of its own it goes on as ever
        assert phone.signed("REGISTER", victim.number, victim).status == 200


def test_a_ban_is_lifted_at_once(instance: Instance, desk: Person):
    with Stranger(instance, desk.number, ATTACKER) as guesser:
        for _ in range(5):
            assert guesser.signed("REGISTER", desk.number, desk, "wrong").status == 403
        with pytest.raises(TimeoutError):
            guesser.request("REGISTER", desk.number, seconds=0.3)
        instance.manage("bans", "lift", ATTACKER)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            try:
                assert guesser.request("REGISTER", desk.number, seconds=0.2).status == 401
                break
            except TimeoutError:
                continue
        assert guesser.signed("REGISTER", desk.number, desk).status == 200


def test_answers_to_unknown_numbers_are_the_same_but_for_what_must_differ(instance: Instance, desk: Person):
    """Octet by octet, with and without credentials, and in the time they take."""
    nobody = Person("707", "", "guess")
    times: dict[str, list[float]] = {desk.number: [], nobody.number: []}
    with Stranger(instance, desk.number, OTHER) as one, Stranger(instance, nobody.number, OTHER) as two:
        pairs = [(one, desk), (two, nobody)]
        for method in ("REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE"):
            known, unknown = (who.request(method, person.number) for who, person in pairs)
            assert anonymous(known, one) == anonymous(unknown, two), method
        for _ in range(4):  # five would be the end of it
            known, unknown = (who.signed("REGISTER", p.number, p, "guess") for who, p in pairs)
            assert anonymous(known, one) == anonymous(unknown, two)
        for _ in range(150):
            for who, person in pairs:
                began = time.perf_counter()
                assert who.request("REGISTER", person.number).status == 401
                times[person.number].append(time.perf_counter() - began)
    medians = [statistics.median(column) for column in times.values()]
    assert 0.7 < medians[0] / medians[1] < 1.4, medians


def anonymous(response: Response, stranger: Stranger) -> bytes:
    """The response without the names of the one who asked, and without what is new in each."""
    nonce = (response.headers.get("WWW-Authenticate") or "").partition('nonce="')[2].partition('"')[0]
    text = response.to_bytes()
    texts = [response.via.branch, response.to_tag, response.call_id, stranger.tag, nonce, stranger.address]
    for name in [*filter(None, texts), str(stranger.address.rpartition(":")[2])]:
        text = text.replace(name.encode(), b"?")
    return text.replace(f"CSeq: {response.cseq.number} ".encode(), b"CSeq: ? ").replace(
        f"sip:{stranger.number}@".encode(), b"sip:?@"
    )


def guesser(instance: Instance, victim: Person) -> list[str]:
    return [
        sys.executable, "-m", "tests.e2e.guesser", instance.sip, ATTACKER, instance.domain, victim.number,
        victim.secret, str(GUESSES),
    ]  # fmt: skip


def waits(stranger: Stranger, person: Person, samples: int = SAMPLES) -> list[float]:
    """How long calls to the echo take from the INVITE with credentials to its 200, seconds."""
    return [stranger.call("*43", person) for _ in range(samples)]


def meanwhile(
    attack: Callable[[], subprocess.Popen[str]], calls: list[tuple[Stranger, Person]]
) -> tuple[dict, list[list[float]]]:
    """What the attack found, and how long callers waited while it went on."""
    found: list[list[float]] = [[] for _ in calls]
    with attack() as process:
        while process.poll() is None:
            for waited, call in zip(found, calls, strict=True):
                waited += waits(*call, samples=1)
        assert process.stdout is not None
        return json.loads(process.stdout.read()), found


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]
