"""Messages from files: ours in tests/data/sip, and those of RFC 4475 where a copy lies beside the project."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ucplatform.sip.digest import find_credentials
from ucplatform.sip.errors import ParseError
from ucplatform.sip.message import Request, Response, make_response, parse_message, validate

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / "tests" / "data" / "sip"
RFC4475 = ROOT.parent / "shared" / "torture"

# What the RFC leaves open, and what is done here: `valid` stands for taking the message.
LIBERAL = {"badaspec": "valid", "baddate": "valid"}

# Where the RFC's word is for a role above the message layer, the message itself has this outcome.
APPLICATION = {"insuf": "400", "unkscm": "416", "novelsc": "416", "multi01": "400", "mcl01": "400"}


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def rfc4475_cases() -> list[tuple[Path, str]]:
    """(file, outcome) from the table of the copy, if there is one; our own files are always tested."""
    if not (RFC4475 / "EXPECT.tsv").is_file():
        return []
    cases = []
    for row in read_table(RFC4475 / "EXPECT.tsv"):
        name, kind, words = row["file"], row["kind"], list(row.values())[-1]
        if name in LIBERAL:
            outcome = LIBERAL[name]
        elif kind == "invalid":
            outcome = "drop" if words.startswith("drop") else "505" if words.startswith("505") else "400"
        else:
            outcome = APPLICATION.get(name, "valid")
        cases.append((RFC4475 / "rfc4475" / f"{name}.dat", outcome))
    return cases


CASES = [(OURS / f"{row['file']}.sip", row["outcome"]) for row in read_table(OURS / "EXPECT.tsv")]
CASES += rfc4475_cases()


def outcome_of(data: bytes) -> str:
    try:
        validate(parse_message(data))
    except ParseError as error:
        return "drop" if error.status is None else str(error.status)
    return "valid"


@pytest.mark.parametrize(("path", "outcome"), CASES, ids=[path.stem for path, _ in CASES])
def test_outcome(path: Path, outcome: str) -> None:
    assert outcome_of(path.read_bytes()) == outcome


@pytest.mark.parametrize("path", [path for path, _ in CASES], ids=[path.stem for path, _ in CASES])
def test_writes_what_it_reads(path: Path) -> None:
    try:
        message = parse_message(path.read_bytes())
    except ParseError as error:
        if error.status is not None:
            # Whatever is to be answered can be answered, and the answer is SIP.
            assert error.request is not None
            answer = parse_message(make_response(error.request, error.status).to_bytes())
            assert isinstance(answer, Response) and answer.status == error.status
        return
    again = parse_message(message.to_bytes())
    lines = [pair for pair in again.headers if pair[0].lower() not in ("content-length", "l")]
    assert lines == [pair for pair in message.headers if pair[0].lower() not in ("content-length", "l")]
    assert again.body == message.body
    assert again.start_line() == message.start_line()


def test_every_file_has_an_outcome() -> None:
    assert {path.stem for path in OURS.glob("*.sip")} == {
        row["file"] for row in read_table(OURS / "EXPECT.tsv")
    }


def ours(name: str) -> Request:
    message = parse_message((OURS / f"{name}.sip").read_bytes())
    assert isinstance(message, Request)
    validate(message)
    return message


def test_folded_compact_message_is_understood() -> None:
    message = ours("compact-and-folded")
    assert [via.transport for via in message.vias] == ["TCP", "UDP", "TLS"]
    assert message.vias[1].received == "192.0.2.99"
    assert (message.vias[2].host, message.vias[2].port) == ("[2001:db8::9]", 5061)
    assert (message.from_.display, message.from_tag) == ("Alice", "a1")
    assert message.supported == ["replaces", "100rel", "timer"]
    assert message.headers.get("Call-ID") == "compact-1"


def test_bytes_that_are_no_utf8_survive() -> None:
    message = ours("latin1-display")
    assert b'"Jos\xe9 \xff\xfe"' in message.to_bytes()
    assert b'"Jos\xe9 \xff\xfe"' in str(message.from_).encode("utf-8", "surrogateescape")


def test_marks_in_quotes_do_not_split() -> None:
    first, second = ours("quoted-comma-and-bracket").contacts
    assert first.display == 'a, <b> "c" \\'
    assert first.param("q") == "0.5"
    assert second.uri.host == "192.0.2.11"


def test_unknown_scheme_counts_as_no_credentials() -> None:
    """RFC 4475 3.3.7"""
    message = ours("star-code")
    message.headers.add("Authorization", "NoOneKnowsThisScheme opaque-data=here")
    assert find_credentials(message.headers, "authorization", "example.com") is None


def test_replaces_is_typed() -> None:
    replaces = ours("replaces").replaces
    assert replaces is not None
    assert (replaces.call_id, replaces.to_tag, replaces.from_tag) == (
        "98732@sip.example.com",
        "ff87ff",
        "r33th4x0r",
    )
