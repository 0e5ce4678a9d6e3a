"""The messages of RFC 4475, and our own, sent to a running edge: each is answered as its table says, over
every transport, and the edge answers an OPTIONS behind each. Where no copy of the RFC's lies beside the
project, ours alone are sent.
"""

import itertools
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.edge.conftest import running_valkey
from tests.edge.process import EdgeProcess
from tests.edge.torture import CLIENTS, OURS, RFC4475, Heard, octets, table
from ucplatform.sip.digest import authorize, find_challenge, ha1
from ucplatform.sip.grammar import percent_decode
from ucplatform.sip.message import Response

pytestmark = pytest.mark.asyncio(loop_scope="module")

REALM, SECRET = "phone.local", "a secret"
RFC_TABLE = table(RFC4475 / "EXPECT.tsv")
OUR_TABLE = table(OURS / "EXPECT.tsv")
NUMBERS = ("watson", "user", "null-%00-null")

#: One of the two copies of baddn lacks its last line break.
CUT_OFF = "baddn" in RFC_TABLE and b"\r\n\r\n" not in octets("baddn")

#: What the RFC's words mean here: the first final status, None for silence. Nobody of these has credentials,
#: so a request that is understood and concerns an account is challenged.
WORDS: dict[str, int | None] = {
    "wsinv": 481,  # its To has a tag: well-formed, and of a dialog that is not there
    "intmeth": 501,
    "esc01": 401,
    "escnull": 401,
    "esc02": 501,
    "lwsdisp": 200,
    "longreq": 401,
    "dblreq": 401,
    "semiuri": 200,
    "transports": 200,
    "mpart01": 405,
    "unreason": None,
    "noreason": None,
    "badinv01": 400,
    "clerr": 400,
    "ncl": 400,
    "scalar02": 400,
    "scalarlg": None,
    "quotbal": 400,
    "ltgtruri": 400,
    "lwsruri": 400,
    "lwsstart": 400,
    "trws": 400,
    "escruri": 400,
    "baddate": 401,
    "regbadct": 400,
    "badaspec": 200,
    "baddn": 400 if CUT_OFF else 200,
    "badvers": 505,
    "mismatch01": 400,
    "mismatch02": 400,
    "bigcode": None,
    "badbranch": 200,
    "insuf": 400,
    "unkscm": 416,
    "novelsc": 416,
    "unksm2": 401,
    "bext01": 420,
    "invut": 415,
    "regaut01": 401,
    "multi01": 400,
    "mcl01": 400,
    "bcast": None,
    "zeromf": 200,
    "cparam01": 401,
    "cparam02": 401,
    "regescrt": 401,
    "sdp01": 406,
    "inv2543": 401,
}

#: On a stream, where Content-Length says where the next message begins (RFC 3261 18.3, 20.14): whoever says
#: it wrongly, or not at all, loses the connection; who promises more than comes is waited for, then cut, as
#: is the one who sends half a second request behind the first.
ON_A_STREAM: dict[str, int | None] = {"ncl": 400, "mcl01": 400, "inv2543": 400, "clerr": None, "dblreq": 401}
if CUT_OFF:
    ON_A_STREAM["baddn"] = 400

#: What our own table leaves open: silence where a valid message wants no answer.
NO_ANSWER = {"ringing", "reason-missing", "lower-case-version"}


hosts = (f"127.{10 + os.getpid() % 200}.{count // 250}.{count % 250 + 1}" for count in itertools.count())


@pytest.fixture(scope="module", params=CLIENTS)
def way(request: pytest.FixtureRequest) -> str:
    """udp, tcp or ws."""
    return request.param


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(way: str) -> AsyncIterator[EdgeProcess]:
    """One for each way: the same request by another way would be a merged one (RFC 3261 8.2.2.2)."""
    accounts = []
    for name in NUMBERS:
        number = percent_decode(name)
        hashes = [ha1(number, REALM, SECRET, kind) for kind in ("MD5", "SHA-256")]
        accounts.append((number, name, None, *hashes))
    with tempfile.TemporaryDirectory(prefix="uc-torture-") as directory, running_valkey() as valkey:
        process = EdgeProcess(
            Path(directory), valkey.url, house=True, accounts=accounts, limits={"idle_s": 1.0}
        )
        yield await process.start()
        assert await process.stop() == 0
        assert "Traceback" not in "\n".join(process.lines)


async def say(edge: EdgeProcess, way: str, *messages: bytes) -> list[Heard]:
    """What is answered to each message, all by one client as long as it lasts."""
    client = await CLIENTS[way](edge).open(next(hosts))
    heard = []
    try:
        for message in messages:
            await client.send(message)
            heard.append(await client.hear())
    finally:
        await client.close()
    return heard


async def is_alive(edge: EdgeProcess, way: str) -> None:
    """A client that comes now is answered."""
    [heard] = await say(edge, way, b"\r\n\r\n")
    assert not heard.closed and heard.responses == []


async def test_each_message_of_the_rfc_has_its_row() -> None:
    assert set(RFC_TABLE) in (set(WORDS), set())


async def hear(edge: EdgeProcess, way: str, data: bytes, closes: bool) -> Heard:
    """What is answered; whoever comes behind a connection that had to be closed is answered too."""
    [heard] = await say(edge, way, data)
    assert heard.closed == closes
    if closes:
        await is_alive(edge, way)
    return heard


if RFC_TABLE:  # without a copy beside the project there is nothing to ask

    @pytest.mark.parametrize("name", RFC_TABLE)
    async def test_each_message_of_the_rfc_is_answered_as_it_says(
        edge: EdgeProcess, way: str, name: str
    ) -> None:
        stream = CLIENTS[way].stream
        expected = (ON_A_STREAM if stream and name in ON_A_STREAM else WORDS)[name]
        heard = await hear(edge, way, own_branch(octets(name), name), closes=stream and name in ON_A_STREAM)
        assert (heard.final.status if heard.final else None) == expected, heard.responses
        if heard.final is not None:
            details(name, heard.final)
        if not stream:
            assert len({response.headers.get("Call-ID") for response in heard.responses}) <= 1


@pytest.mark.parametrize("way", ["udp"] if RFC_TABLE else list(CLIENTS), indirect=True, scope="module")
@pytest.mark.parametrize("name", OUR_TABLE)
async def test_each_message_of_ours_is_answered_as_its_table_says(
    edge: EdgeProcess, way: str, name: str
) -> None:
    data = octets(name).replace(b"1j9FpLxk3uxtm8tn", name.encode())
    data = own_branch(data, name)
    if CLIENTS[way].stream and (OUR_TABLE[name] != "valid" or not has_its_length(data)):
        # It may end in the middle, or not where it says, which is for the tests of framing; others go on.
        client = await CLIENTS[way](edge).open(next(hosts))
        await client.send(data)
        await is_alive(edge, way)
        await client.close()
        return
    heard = await hear(edge, way, data, closes=False)
    assert as_ours(name, heard.final.status if heard.final else None), heard.responses


def own_branch(data: bytes, name: str) -> bytes:
    """Several messages have the same branch: they would be taken for one that is sent again (17.2.3)."""
    return data.replace(b"z9hG4bK-a1", b"z9hG4bK-" + name.encode()).replace(
        b"z9hG4bKkdjuw", b"z9hG4bKkdjuw-" + name.encode()
    )


def has_its_length(data: bytes) -> bool:
    """Whether Content-Length says where it ends."""
    head, _, body = data.partition(b"\r\n\r\n")
    return b"\r\nContent-Length: %d\r\n" % len(body) in head + b"\r\n"


def as_ours(name: str, status: int | None) -> bool:
    """Whether a status is what our own table asks for."""
    expected = OUR_TABLE[name]
    if expected == "drop" or name in NO_ANSWER:
        return status is None
    return status not in (None, 400, 500, 513) if expected == "valid" else status == int(expected)


def details(name: str, answer: Response) -> None:
    """What the RFC wants in the answer beside its status."""
    if name == "bext01":
        tags = [tag.lower() for tag in answer.headers.values("Unsupported")]
        assert tags == ["nothingsupportsthis", "nothingsupportsthiseither"]
    if answer.status == 415:
        assert answer.headers.get("Accept") == "application/sdp"
    if answer.status == 401:
        assert find_challenge(answer.headers, "WWW-Authenticate") is not None
    if answer.status in (405, 501):
        assert "INVITE" in answer.headers.values("Allow")


#: number, Contact lines as in the RFC's messages, the URIs that the answer shows
REGISTERED = [
    # The parameter is the header's, not the URI's (4475 3.3.12).
    ("watson", ["sip:+19725552222@gw1.example.net;unknownparam"], ["sip:+19725552222@gw1.example.net"]),
    # It stays with the URI (3.3.13).
    ("watson", ["<sip:+1@gw1.example.net;unknownparam>"], ["sip:+1@gw1.example.net;unknownparam"]),
    # Kept with its header, which is not acted on (3.3.14).
    (
        "user",
        ["<sip:user@a.example.com?Route=%3Csip:sip.a%3E>"],
        ["sip:user@a.example.com?Route=%3Csip:sip.a%3E"],
    ),
    # A NUL cuts nothing short (3.1.1.4).
    (
        "null-%00-null",
        ["<sip:%00@host5.a>", "<sip:%00%00@host5.a>"],
        ["sip:%00@host5.a", "sip:%00%00@host5.a"],
    ),
]


def register(number: str, contacts: list[str], cseq: int, more: str = "") -> bytes:
    """A REGISTER as terse as those of the RFC, with a second one behind its end that nobody must read."""
    call = f"{number}{len(contacts[0])}"
    lines = [f"Contact: {contact}\r\n" for contact in contacts]
    first = (
        f"REGISTER sip:{REALM} SIP/2.0\r\nVia: SIP/2.0/UDP host5.example.com;branch=z9hG4bK{call}{cseq}\r\n"
        f"From: sip:{number}@{REALM};tag=8\r\nTo: sip:{number}@{REALM}\r\nMax-Forwards: 70\r\n"
        f"Call-ID: {call}\r\nCSeq: {cseq} REGISTER\r\n{''.join(lines)}{more}l:0\r\n\r\n"
    )
    return first.encode() + first.replace("Contact: ", "Contact: <sip:second@a>, ").encode()


@pytest.mark.parametrize(("number", "contacts", "shown"), REGISTERED)
async def test_a_contact_is_kept_as_it_was_sent(
    edge: EdgeProcess, way: str, number: str, contacts: list[str], shown: list[str]
) -> None:
    client = await CLIENTS[way](edge).open(next(hosts))
    await client.send(register(number, contacts, 1))
    refused = (await client.hear()).final
    assert refused is not None and refused.status == 401
    challenge = find_challenge(refused.headers, "WWW-Authenticate")
    assert challenge is not None
    proof = authorize(challenge, "REGISTER", f"sip:{REALM}", percent_decode(number), SECRET, "cn")
    await client.send(register(number, contacts, 2, f"Authorization: {proof}\r\n"))
    answer = (await client.hear()).final
    await client.close()
    assert answer is not None and answer.status == 200, answer
    kept = [str(contact.uri) for contact in answer.contacts]
    assert [uri for uri in kept if uri in shown] == shown
    assert "sip:second@a" not in kept
