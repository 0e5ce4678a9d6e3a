import pytest

from ucplatform.sip.errors import ParseError, UsageError
from ucplatform.sip.headers import CSeq, Headers, NameAddr, Replaces, Via


def test_names_match_in_any_spelling_and_keep_their_own() -> None:
    headers = Headers([("i", "abc"), ("VIA", "one"), ("v", "two"), ("X-Odd", "1")])
    assert headers.get("Call-ID") == headers.get("call-id") == headers.get("I") == "abc"
    assert headers.all("Via") == ["one", "two"]
    assert "x-odd" in headers and "From" not in headers
    assert list(headers) == [("i", "abc"), ("VIA", "one"), ("v", "two"), ("X-Odd", "1")]


def test_changes_keep_places() -> None:
    headers = Headers([("Via", "one"), ("To", "<sip:a@b>"), ("Via", "two")])
    headers.prepend("Via", "zero")
    headers.set("t", "<sip:c@d>")
    headers.add("Subject", " padded\t")
    assert list(headers) == [
        ("Via", "zero"),
        ("Via", "one"),
        ("To", "<sip:c@d>"),
        ("Via", "two"),
        ("Subject", "padded"),
    ]
    headers.set("Via", "only")
    headers.remove("s")
    assert list(headers) == [("Via", "only"), ("To", "<sip:c@d>")]


def test_copies_are_independent() -> None:
    headers = Headers([("To", "a")])
    other = headers.copy()
    other.set("To", "b")
    other.add("From", "c")
    assert list(headers) == [("To", "a")]


def test_values_split_at_commas_outside_of_quotes_and_brackets() -> None:
    headers = Headers([("Contact", '"a, \\", b" <sip:x,y@h>;q=1 , <sip:z@h>'), ("m", "<sip:w@h>,")])
    assert headers.values("contact") == ['"a, \\", b" <sip:x,y@h>;q=1', "<sip:z@h>", "<sip:w@h>"]
    assert headers.all("contact")[1] == "<sip:w@h>,"


@pytest.mark.parametrize(
    ("name", "value"), [("X", "a\r\nEvil: 1"), ("X", "a\nb"), ("X: 1", "a"), ("", "a"), ("X\n", "a")]
)
def test_nothing_injects_a_line(name: str, value: str) -> None:
    with pytest.raises(UsageError):
        Headers([(name, value)])
    with pytest.raises(UsageError):
        Headers().add(name, value)


def test_typed_values_are_forgotten_with_their_own_header_only() -> None:
    headers = Headers([("To", "a"), ("Via", "b")])
    reads: list[str] = []

    def read(key: str) -> str:
        def reader(source: Headers) -> str:
            reads.append(key)
            return source.get(key) or ""

        return headers.typed(key, reader)

    assert (read("to"), read("via"), read("to")) == ("a", "b", "a")
    headers.set("t", "c")
    assert (read("to"), read("via")) == ("c", "b")
    assert reads == ["to", "via", "to"]


@pytest.mark.parametrize(
    ("text", "display", "uri", "tag"),
    [
        ("<sip:a@h>", "", "sip:a@h", None),
        ("sip:a@h;tag=1", "", "sip:a@h", "1"),
        ("caller<sip:a@h>;tag=323", "caller", "sip:a@h", "323"),
        ('"J \\"Q\\" \\\\"  <sip:a@h;x> ; tag = 1 ', 'J "Q" \\', "sip:a@h;x", "1"),
        ("Bell, Alexander <sip:a@h>;tag=43", "Bell, Alexander", "sip:a@h", "43"),
        ('"Watson" < sip:t@h >', "Watson", "sip:t@h", None),
        ("José <sip:a@h>", "José", "sip:a@h", None),
        ("<sip:a@h?Route=%3Csip:b%3E>;tag=x", "", "sip:a@h?Route=%3Csip:b%3E", "x"),
    ],
)
def test_name_addr(text: str, display: str, uri: str, tag: str | None) -> None:
    value = NameAddr.parse(text)
    assert (value.display, str(value.uri), value.tag) == (display, uri, tag)
    assert NameAddr.parse(str(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "<>",
        "<sip:a@h",
        "sip:a@h>",
        '"a <sip:a@h>',
        '"a" sip:a@h',
        'a"b" <sip:a@h>',
        "<sip:a@h>x",
        "<sip:a@h>, <sip:b@h>",
        "sip:a@h?x=y",
        "sip:a,b@h",
        "<sip:a@h>;",
        "<sip:a@h>;;",
        "<sip:a@h>;a=<",
        '<sip:a@h>;a="x',
        '<sip:a@h>;a="x"y',
        "<sip:a@h>;tag=1;Tag=2",
        "<sip:a@h>;a b=1",
        "<sip:a@h>;a=b c",
        "<sip:a@h>;=1",
        "a;b <sip:a@h>",
    ],
)
def test_name_addr_refused(text: str) -> None:
    with pytest.raises(ParseError):
        NameAddr.parse(text)


def test_name_addr_params() -> None:
    value = NameAddr.parse('<sip:a@h>;+sip.instance="<urn:uuid:1>";reg-id=1')
    assert value.param("+SIP.instance") == "<urn:uuid:1>"
    assert str(value.with_param("reg-id", "2")) == '<sip:a@h>;+sip.instance="<urn:uuid:1>";reg-id=2'
    assert (
        str(value.without_param("+sip.instance").with_param("text", "a;b")) == '<sip:a@h>;reg-id=1;text="a;b"'
    )


def test_display_cannot_break_out() -> None:
    name = NameAddr('a" <sip:evil@h>\r\nX: 1 \\', NameAddr.parse("<sip:a@h>").uri)
    assert str(name) == '"a\\" <sip:evil@h>  X: 1 \\\\" <sip:a@h>'
    assert NameAddr.parse(str(name)).uri.user == "a"


def test_via() -> None:
    via = Via.parse("SIP  / 2.0  / tcp     Spindle.example.com : 5070  ;\t branch  =   z9hG4bK9ikj8 ;rport")
    assert (via.transport, via.host, via.port) == ("TCP", "spindle.example.com", 5070)
    assert (via.branch, via.rport, via.received) == ("z9hG4bK9ikj8", "", None)
    assert str(via) == "SIP/2.0/TCP spindle.example.com:5070;branch=z9hG4bK9ikj8;rport"
    stamped = via.with_param("rport", "1024").with_param("received", "2001:db8::1")
    assert str(stamped).endswith(";rport=1024;received=2001:db8::1")
    assert Via.parse(str(stamped)) == stamped
    assert Via.parse("SIP/2.0/UDP h;branch=").branch is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0 h",
        "SIP/7.0/UDP h",
        "HTTP/2.0/UDP h",
        "SIP/2.0/U,P h",
        "SIP/2.0/UDP h:0x1",
        "SIP/2.0/UDP h;;",
        "SIP/2.0/UDP a b",
        "SIP/2.0/UDP [::g]",
        "SIP/2.0/UDP h;branch=1;branch=2",
    ],
)
def test_via_refused(text: str) -> None:
    with pytest.raises(ParseError):
        Via.parse(text)


def test_cseq() -> None:
    assert CSeq.parse("0009  INVITE") == CSeq(9, "INVITE")
    assert str(CSeq(2**31 - 1, "BYE")) == "2147483647 BYE"
    for text in (
        "",
        "1",
        "INVITE 1",
        "-1 BYE",
        "2147483648 BYE",
        "1 BYE x",
        "1 B(E",
        "٣ BYE",
        "9" * 5000 + " BYE",
    ):
        with pytest.raises(ParseError):
            CSeq.parse(text)


def test_replaces() -> None:
    value = Replaces.parse("12@h ;to-tag=t;FROM-tag=f;early-only")
    assert value == Replaces("12@h", "t", "f", True)
    assert Replaces.parse(str(value)) == value
    for text in ("", "12@h", "12@h;to-tag=t", ";to-tag=t;from-tag=f", "1;to-tag=t;to-tag=u;from-tag=f"):
        with pytest.raises(ParseError):
            Replaces.parse(text)
