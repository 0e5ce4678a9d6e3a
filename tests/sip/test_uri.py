import pytest

from ucplatform.sip.errors import ParseError
from ucplatform.sip.uri import Uri


@pytest.mark.parametrize(
    "text",
    [
        "sip:example.com",
        "sip:201@example.com",
        "sips:alice:secret@example.com:5061;transport=tcp;lr?subject=hi&priority=urgent",
        "sip:*43@[2001:db8::1]:5060;ob",
        "sip:user;par=u%40example.net@example.com",
        "tel:+15551234;phone-context=example.com",
        "nobodyknowsthisscheme:totallyopaquecontent",
    ],
)
def test_round_trip(text: str) -> None:
    assert str(Uri.parse(text)) == text


def test_parts() -> None:
    uri = Uri.parse("SIP:al%69ce:pw@Example.COM:5070;Transport=UDP;lr;x=%41?h=v")
    assert (uri.scheme, uri.user, uri.password, uri.host, uri.port) == (
        "sip",
        "al%69ce",
        "pw",
        "example.com",
        5070,
    )
    assert uri.username == "alice"
    assert (uri.param("transport"), uri.param("LR"), uri.param("x"), uri.param("maddr")) == (
        "UDP",
        "",
        "A",
        None,
    )
    assert uri.headers == "h=v"
    assert str(uri.bare()) == "sip:al%69ce@example.com:5070"


def test_escapes_are_decoded_only_in_what_is_read() -> None:
    """RFC 4475 3.1.1.3 and 3.1.1.4"""
    uri = Uri.parse("sip:sips%3Auser%40example.com@example.net;%6C%72;n%61me=v%61lue%25%34%31")
    assert (uri.scheme, uri.host, uri.username) == ("sip", "example.net", "sips:user@example.com")
    assert uri.has_param("lr")
    assert uri.param("name") == "value%41"
    assert Uri.parse("sip:null-%00-null@example.com").username == "null-\0-null"


def test_params_are_replaced_in_place() -> None:
    uri = Uri.parse("sip:a@example.com;transport=udp;lr")
    assert str(uri.with_param("Transport", "tcp")) == "sip:a@example.com;transport=tcp;lr"
    assert str(uri.with_param("ob")) == "sip:a@example.com;transport=udp;lr;ob"
    assert str(uri.without_param("LR", "transport")) == "sip:a@example.com"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip",
        "sip:",
        ":x",
        "1x:y",
        "sip:@h",
        "sip:a@",
        "sip:a@b@c",
        "sip:h:",
        "sip:h:65536",
        "sip:h:-1",
        "sip:h:٣",
        "sip:h;",
        "sip:h;;lr",
        "sip:h;=x",
        "sip:h;lr;LR",
        "sip:[::1",
        "sip:[1.2.3]",
        "sip:[::1]x",
        "sip:[fe80::1%25eth0]",
        "sip:a b@h",
        "sip:<a>@h",
        'sip:"a"@h',
        "sip:a@h\r\nX: 1",
        "sip:a@h\x00",
        "sip:a@hö",
        "<sip:a@h>",
        " sip:a@h",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        Uri.parse(text)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        ("sip:biloxi.com;transport=tcp;method=REGISTER", "sip:biloxi.com;method=REGISTER;transport=tcp"),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
    ],
)
def test_equal(left: str, right: str) -> None:
    """The examples of RFC 3261 section 19.1.4."""
    assert Uri.parse(left).equals(Uri.parse(right))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
        ("sip:a%3Bb@biloxi.com", "sip:a;b@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:bob:@biloxi.com"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("tel:+1", "tel:+2"),
    ],
)
def test_different(left: str, right: str) -> None:
    """The examples of RFC 3261 section 19.1.4, and a reserved character beside its escape."""
    assert not Uri.parse(left).equals(Uri.parse(right))
