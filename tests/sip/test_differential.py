"""What another parser reads from the same octets: `sipmessage`, wherever it reads anything at all.

It does not know folded lines and blanks before a colon, so both are undone for it; nor octets behind a body.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sipmessage

from tests.sip.test_torture import CASES
from ucplatform.sip.headers import header_key
from ucplatform.sip.message import Request, Response, parse_message, validate
from ucplatform.sip.uri import Uri

VALID = [path for path, outcome in CASES if outcome == "valid"]


def other(data: bytes) -> sipmessage.Request | sipmessage.Response | None:
    """Its reading, after blanks are taken away that it does not know; None where it gives up."""
    head, _, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    first, _, lines = re.sub(rb"\r\n[ \t]+", b" ", head).partition(b"\r\n")
    lines = re.sub(rb"(?m)^([^:\s]+)[ \t]+:", rb"\1:", lines)
    try:
        return sipmessage.Message.parse(first + b"\r\n" + lines + b"\r\n\r\n" + body)
    except ValueError:
        return None


BOTH = [path for path in VALID if other(path.read_bytes()) is not None]


def ours(data: bytes) -> Request | Response:
    message = parse_message(data)
    validate(message)
    return message


def test_it_reads_most_of_what_is_valid() -> None:
    assert len(BOTH) > len(VALID) / 2


@pytest.mark.parametrize("path", BOTH, ids=[path.stem for path in BOTH])
def test_start_line_headers_and_body_are_the_same(path: Path) -> None:
    data = path.read_bytes()
    mine, theirs = ours(data), other(data)
    if isinstance(mine, Request):
        assert isinstance(theirs, sipmessage.Request)
        assert (mine.method, str(mine.uri)) == (theirs.method, str(theirs.uri))
    else:
        assert isinstance(theirs, sipmessage.Response)
        assert (mine.status, mine.reason) == (theirs.code, theirs.phrase)
    names = theirs.headers.keys()
    assert {header_key(name) for name, _ in mine.headers} == set(map(header_key, names))
    for name in names:
        assert mine.headers.all(name) == theirs.headers.getlist(name)
    assert theirs.body.startswith(mine.body)


def core(uri: Uri | sipmessage.URI) -> tuple[str, str, str, int | None]:
    """What both keep apart: scheme, user without escapes, host, port."""
    user = uri.username if isinstance(uri, Uri) else uri.user
    return uri.scheme, user or "", uri.host.lower(), uri.port


def theirs_or(read: Callable[[], Any], mine: Any) -> Any:
    """What it reads; what we read where it gives up, as it does on a URI with headers."""
    try:
        return read()
    except ValueError:
        return mine


@pytest.mark.parametrize("path", BOTH, ids=[path.stem for path in BOTH])
def test_typed_values_are_the_same(path: Path) -> None:
    data = path.read_bytes()
    mine, theirs = ours(data), other(data)
    assert theirs is not None
    assert mine.call_id == theirs.call_id
    assert (mine.cseq.number, mine.cseq.method) == (theirs.cseq.sequence, theirs.cseq.method)
    assert mine.max_forwards == (theirs.max_forwards if "Max-Forwards" in mine.headers else None)
    vias = [(via.transport, via.host, via.port) for via in mine.vias]
    assert vias == theirs_or(
        lambda: [(via.transport.upper(), via.host.lower(), via.port) for via in theirs.via], vias
    )
    parties = [(core(party.uri), party.tag) for party in (mine.from_, mine.to)]
    assert parties == theirs_or(
        lambda: [
            (core(party.uri), party.parameters.get("tag"))
            for party in (theirs.from_address, theirs.to_address)
        ],
        parties,
    )
    contacts = [core(contact.uri) for contact in mine.contacts]
    assert contacts == theirs_or(lambda: [core(each.uri) for each in theirs.contact], contacts)
    routes = [core(route.uri) for route in mine.routes]
    assert routes == theirs_or(lambda: [core(each.uri) for each in theirs.route], routes)
