"""Typed header values: what they read, that they write what they read, and that nothing else comes out."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.sip.test_fuzz import texts, within_limit
from ucplatform.sip import fields
from ucplatform.sip.errors import ParseError
from ucplatform.sip.headers import Headers, NameAddr
from ucplatform.sip.message import Request, Response
from ucplatform.sip.uri import Uri
from ucplatform.sip.values import parse_flag, parse_rseq

VALUES = [
    fields.SessionExpires,
    fields.MinSE,
    fields.RAck,
    fields.ReferTo,
    fields.ReferredBy,
    fields.Join,
    fields.TargetDialog,
    fields.Reason,
    fields.Diversion,
    fields.HistoryInfo,
    fields.Event,
    fields.SubscriptionState,
    fields.RetryAfter,
    fields.MaxBreadth,
    fields.Privacy,
    fields.Timestamp,
]


def request(**headers: str) -> Request:
    lines = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request("INVITE", Uri.parse("sip:201@example.com"), Headers(lines))


def response(status: int = 200, **headers: str) -> Response:
    return Response(status, "", request(**headers).headers)


# ---- what is written as it was read

WRITTEN = [
    (fields.SessionExpires, "1800"),
    (fields.SessionExpires, "1800;refresher=uas"),
    (fields.MinSE, "90"),
    (fields.RAck, "776656 1 INVITE"),
    (fields.ReferTo, "<sip:202@example.com;method=BYE>;x=1"),
    (fields.ReferTo, "<sip:202@example.com?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2&X=1>"),
    (fields.ReferredBy, '"Ana" <sip:200@example.com>;cid="2UW@example.com"'),
    (fields.Join, "98732@example.com;to-tag=ff;from-tag=r3"),
    (fields.TargetDialog, "fa77a@example.com;local-tag=kkaz;remote-tag=6544"),
    (fields.Reason, 'SIP;cause=200;text="Call \\"completed\\" elsewhere"'),
    (fields.Reason, "Q.850;cause=16"),
    (fields.Reason, "Preemption"),
    (fields.Diversion, '"Bo" <sip:201@example.com>;reason=user-busy;counter=2'),
    (fields.HistoryInfo, "<sip:201@example.com?Reason=SIP%3Bcause%3D302>;index=1.1;mp=1"),
    (fields.Event, "presence.winfo;id=7;shared"),
    (fields.SubscriptionState, "active;expires=600"),
    (fields.SubscriptionState, "terminated;reason=noresource;retry-after=10"),
    (fields.RetryAfter, "18000 (in a meeting);duration=3600"),
    (fields.RetryAfter, "5"),
    (fields.MaxBreadth, "60"),
    (fields.Privacy, "id;critical"),
    (fields.Timestamp, "54.1"),
    (fields.Timestamp, "54 0.02"),
]


@pytest.mark.parametrize(("kind", "text"), WRITTEN)
def test_writes_what_it_read(kind, text):
    value = kind.parse(text)
    assert str(value) == text
    assert kind.parse(str(value)) == value


WRONG = [
    (fields.SessionExpires, "1800;refresher=me"),
    (fields.SessionExpires, "half an hour"),
    (fields.SessionExpires, "-1"),
    (fields.SessionExpires, "9" * 40),
    (fields.MinSE, ""),
    (fields.RAck, "0 1 INVITE"),
    (fields.RAck, "1 1"),
    (fields.RAck, "1 2147483648 INVITE"),
    (fields.RAck, "1 1 IN@VITE"),
    (fields.ReferTo, "sip:202@example.com?Replaces=x"),
    (fields.ReferTo, "<sip:202@example.com?Replaces=x>"),
    (fields.ReferTo, "<sip:2@a?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2%0d%0aRoute:%20evil>"),
    (fields.Join, "98732@example.com;to-tag=ff"),
    (fields.TargetDialog, "fa77a;local-tag=kkaz;remote-tag="),
    (fields.Reason, ";cause=200"),
    (fields.Reason, "SIP;cause=many"),
    (fields.HistoryInfo, "<sip:201@example.com>"),
    (fields.HistoryInfo, "<sip:201@example.com>;index=1..1"),
    (fields.HistoryInfo, "<sip:201@example.com>;index=" + "1." * 100 + "1"),
    (fields.Event, ";id=1"),
    (fields.SubscriptionState, "active;expires=soon"),
    (fields.RetryAfter, "5 (open"),
    (fields.MaxBreadth, "-1"),
    (fields.Privacy, "id;<b>"),
    (fields.Timestamp, "now"),
    (fields.Timestamp, "1 2 3"),
]


@pytest.mark.parametrize(("kind", "text"), WRONG)
def test_refuses_with_400(kind, text):
    with pytest.raises(ParseError) as refused:
        kind.parse(text)
    assert refused.value.status == 400


# ---- what they say


def test_a_refer_names_what_it_replaces_and_where_to_go():
    """RFC 3891 section 4; the target carries no headers along (RFC 3261 section 19.1.5)."""
    value = fields.refer_to(
        request(
            Refer_To="<sip:202@example.com;transport=tcp;method=INVITE"
            "?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2%3Bearly-only&Subject=x>"
        )
    )
    assert value is not None and value.replaces is not None
    assert (value.replaces.call_id, value.replaces.to_tag, value.replaces.from_tag) == ("a@b", "1", "2")
    assert value.replaces.early_only
    assert value.method == "INVITE"
    assert str(value.target) == "sip:202@example.com;transport=tcp"
    assert fields.embedded(value.address.uri, "s") == ["x"]


def test_a_refer_to_another_scheme_is_carried_whole():
    value = fields.ReferTo.parse("<tel:+4930123>")
    assert (str(value.target), value.method, value.replaces) == ("tel:+4930123", "INVITE", None)


def test_the_newest_diversion_stands_first():
    found = fields.diversions(
        request(Diversion="<sip:201@a>;reason=User-Busy;counter=3, tel:+1;counter=x, <sip:202@a")
    )
    assert [(each.reason, each.counter) for each in found] == [("user-busy", 3), ("unknown", 1)]
    written = fields.Diversion.of(Uri.parse("sip:201@a"), "no-answer", display="Bo")
    assert str(written) == '"Bo" <sip:201@a>;reason=no-answer;counter=1'


def test_history_keeps_order_index_and_reason():
    """RFC 7044 section 5; what is malformed among it is left out."""
    found = fields.history(
        request(
            History_Info="<sip:201@a?Reason=SIP%3Bcause%3D302%3Btext%3D%22Moved%22>;index=1,"
            " <sip:202@a>;index=1.1;rc=1, <sip:203@a>"
        )
    )
    assert [entry.index for entry in found] == ["1", "1.1"]
    assert found[0].reason == fields.Reason("SIP", 302, "Moved")
    assert found[1].reason is None
    assert found[1].params == (("rc", "1"),)
    assert fields.HistoryInfo.parse("<sip:201@a?Reason=%00>;index=1").reason is None


def test_one_reason_for_each_protocol():
    message = request(Reason='SIP;cause=487, Q.850;cause=16;text="Normal, clearing"')
    assert fields.reason(message) == fields.Reason("SIP", 487)
    assert fields.reason(message, "q.850") == fields.Reason("Q.850", 16, "Normal, clearing")
    assert fields.reason(message, "Preemption") is None


def test_breadth_is_divided_so_that_no_branch_gets_none():
    """RFC 5393 section 5.3.3"""
    assert [share.value for share in fields.MaxBreadth(7).shares(3)] == [3, 2, 2]
    assert [share.value for share in fields.MaxBreadth(2).shares(5)] == [1, 1]
    assert fields.MaxBreadth(0).shares(3) == ()
    assert fields.MaxBreadth().shares(0) == ()


def test_privacy_says_whether_the_caller_stays_unknown():
    assert fields.Privacy.parse("ID; critical").hides_identity
    assert not fields.Privacy.parse("none").hides_identity
    assert fields.Privacy.parse("").values == ()


def test_a_date_is_written_in_gmt():
    """RFC 3261 section 20.17"""
    assert fields.format_date(1289690940.9) == "Sat, 13 Nov 2010 23:29:00 GMT"


def test_lists_go_over_lines_and_commas():
    message = request(Path="<sip:p1@a;lr>")
    message.headers.add("Path", '"x, y" <sip:p2@a;lr>, <sip:p3@a;lr>')
    assert [hop.uri.user for hop in fields.path(message)] == ["p1", "p2", "p3"]
    message = request(P_Asserted_Identity='"Ana" <sip:200@a>, tel:+4930')
    assert [str(who.uri) for who in fields.asserted(message)] == ["sip:200@a", "tel:+4930"]


# ---- reading


def test_an_absent_header_is_none_and_a_changed_one_is_read_again():
    message = request()
    assert fields.session_expires(message) is None
    assert fields.reasons(message) == ()
    message.headers.add("x", "90")
    first = fields.session_expires(message)
    assert first == fields.SessionExpires(90)
    assert fields.session_expires(message) is first
    message.headers.set("Session-Expires", "91;refresher=UAC")
    assert fields.session_expires(message) == fields.SessionExpires(91, "uac")


STRICT = ["Session-Expires", "Min-SE", "RAck", "Refer-To", "Referred-By", "Join", "Target-Dialog", "Event"]
STRICT += ["Subscription-State", "Max-Breadth", "Privacy", "Path", "Refer-Sub"]


@pytest.mark.parametrize("name", STRICT)
def test_what_decides_must_be_well_formed_in_a_request_and_is_absent_in_a_response(name):
    """RFC 3261 section 8.2.2"""
    with pytest.raises(ParseError):
        fields.check(request(**{name: "@<"}))
    read = getattr(fields, name.lower().replace("-", "_"))
    assert not read(response(**{name: "@<"}))


def test_what_merely_informs_is_left_out_when_malformed():
    names = ("Timestamp", "Retry-After", "Reason", "Diversion", "History-Info", "P-Asserted-Identity")
    message = request(**{name: "@<" for name in names})
    fields.check(message)
    assert fields.timestamp(message) is None and fields.retry_after(message) is None
    for read in (fields.reasons, fields.diversions, fields.history, fields.asserted, fields.preferred):
        assert read(message) == ()


def test_a_path_of_hundreds_is_refused_and_a_history_of_hundreds_cut():
    with pytest.raises(ParseError):
        fields.check(request(Path=",".join(["<sip:a>"] * 65)))
    found = fields.history(request(History_Info=",".join(["<sip:a>;index=1"] * 200)))
    assert len(found) == fields.MAX_VALUES


def test_which_responses_want_a_prack():
    """RFC 3262 section 4"""
    assert fields.reliable(response(183, Require="timer, 100REL", RSeq="1"))
    assert not fields.reliable(response(183, Require="100rel"))
    assert not fields.reliable(response(183, Require="100rel", RSeq="0"))
    assert not fields.reliable(response(183, RSeq="1"))
    assert not fields.reliable(response(200, Require="100rel", RSeq="1"))
    assert not fields.reliable(response(100, Require="100rel", RSeq="1"))


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ("application/sdp", True),
        ("text/plain, Application / SDP;q=0.5", True),
        ("application/*", True),
        ("*/*;q=0.1", True),
        ("text/nobodyKnowsThis", False),
        ("", False),
    ],
)
def test_who_names_what_it_takes_is_believed(value, answer):
    """RFC 3261 section 20.1: an empty Accept takes nothing, an absent one SDP."""
    assert fields.accepts(request(Accept=value), "application/sdp") is answer
    assert fields.accepts(request(), "application/sdp")


# ---- hostile values

PARSERS = [*(kind.parse for kind in VALUES), parse_rseq, parse_flag]
NAMES = [*STRICT, "Reason", "History-Info", "Timestamp"]


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([*(kind.parse for kind in VALUES), parse_rseq, parse_flag]), texts | st.text(max_size=40)
)
@example(fields.Reason.parse, "SIP;text=" + '\\"' * 4000)
@example(fields.HistoryInfo.parse, "<sip:a>;index=" + "1." * 4000)
@example(fields.ReferTo.parse, "<sip:a?" + "&" * 4000 + ">")
@example(fields.RetryAfter.parse, "5 " + "(" * 4000 + ")" * 4000)
@example(fields.Privacy.parse, ";" * 8000)
@example(fields.Timestamp.parse, "1" * 8000)
def test_no_value_raises_anything_but_its_own_error(parse, text):
    within_limit(lambda: parse(text))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(VALUES), texts)
def test_what_was_read_can_be_written_and_read_again(kind, text):
    try:
        value = kind.parse(text)
    except ParseError:
        return
    again = kind.parse(str(value))
    assert str(again) == str(value)
    assert "\r" not in str(value) and "\n" not in str(value)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), texts, max_size=4))
def test_no_reader_raises_after_the_check(headers):
    clean = {name: value.replace("\r", "").replace("\n", "") for name, value in headers.items()}
    message = request(**clean)
    try:
        fields.check(message)
    except ParseError:
        message = response(183, **clean)
    for name in STRICT:
        getattr(fields, name.lower().replace("-", "_"))(message)
    for read in (fields.reasons, fields.history, fields.timestamp, fields.diversions):
        read(message)


def test_addresses_stay_whole():
    address = NameAddr.parse('"Ana, B" <sip:200@example.com>;x=1')
    assert str(fields.ReferredBy.parse(str(address)).address) == str(address)
