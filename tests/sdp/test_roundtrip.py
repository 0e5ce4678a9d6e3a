"""What was not touched goes back to the same octets."""

from pathlib import Path

import pytest

from ucplatform import sdp

DATA = Path(__file__).parents[1] / "data" / "sdp"
FILES = sorted(DATA.glob("*.sdp"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_real_descriptions_come_back_octet_for_octet(path: Path):
    octets = path.read_bytes()
    session = sdp.parse(octets)
    assert session.to_bytes() == octets
    # Through text and back, as a message body travels between edge and engine.
    assert sdp.parse(str(session)).to_bytes() == octets


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_another_origin_changes_one_line(path: Path):
    before = path.read_bytes().splitlines(keepends=True)
    origin = sdp.Origin("-", 17, 18, "IN", "IP4", "192.0.2.1")
    text = sdp.with_origin(sdp.parse(path.read_bytes()).to_bytes().decode("utf-8", "surrogateescape"), origin)
    after = text.encode("utf-8", "surrogateescape").splitlines(keepends=True)
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [new.rstrip(b"\r\n") for _, new in changed] == [b"o=- 17 18 IN IP4 192.0.2.1"]
    assert sdp.parse(text).origin == origin


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_media_line_rewritten_with_its_own_values_says_the_same(path: Path):
    session = sdp.parse(path.read_bytes())
    for part in session.media:
        part.head = sdp.MediaLine.parse(str(part.head))
    assert session.to_bytes() == path.read_bytes()


def test_bodies_that_differ_in_the_origin_only_are_the_same_state():
    octets = (DATA / "snom_hold.sdp").read_bytes().decode()
    later = octets.replace("1148571433", "1148571434")
    assert later != octets
    assert sdp.without_origin(later) == sdp.without_origin(octets)
    assert sdp.without_origin(octets.replace("sendonly", "sendrecv")) != sdp.without_origin(octets)


def test_a_line_put_behind_one_without_an_end_stands_on_its_own():
    session = sdp.parse((DATA / "latin1_bare_lf.sdp").read_bytes())
    session.media[0].add("ptime", "20")
    again = sdp.parse(str(session))
    assert again.media[0].attributes[-2:] == [("inactive", None), ("ptime", "20")]
    assert again.media[0].direction == "inactive"
