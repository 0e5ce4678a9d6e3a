"""Dialogs of RFC 3261 section 12, from both ends."""

import json

import pytest

from tests.sip.pair import build
from ucplatform.sip.dialog import Dialog, dialog_id
from ucplatform.sip.errors import ParseError
from ucplatform.sip.message import Request, Response, make_response, parse_message, validate

LOOSE = ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]


def answered(request: Request, status: int = 200, tag: str = "bob", routes: list | None = None) -> Response:
    headers = [("Contact", '"Bob" <sip:bob@192.0.2.9:5070;transport=tcp>')]
    request = request.copy()
    for route in routes or []:
        request.headers.add("Record-Route", route)
    return make_response(request, status, to_tag=tag, headers=headers)


def both(routes: list | None = None, status: int = 200) -> tuple[Dialog, Dialog]:
    """The caller's and the callee's end of one dialog."""
    invite = build("INVITE", cseq=4)
    response = answered(invite, status, routes=routes)
    incoming = invite.copy()
    for route in routes or []:
        incoming.headers.add("Record-Route", route)
    callee = Dialog.from_request(incoming, "bob")
    return Dialog.from_response(invite, response), callee.confirmed(response) if status >= 200 else callee


def test_the_two_ends_mirror_each_other():
    caller, callee = both()
    assert caller.id == ("call-1", "alice", "bob")
    assert callee.id == ("call-1", "bob", "alice")
    assert (caller.local, caller.remote) == (callee.remote, callee.local)
    assert caller.remote_target == "sip:bob@192.0.2.9:5070;transport=tcp"
    assert callee.remote_target == "sip:200@192.0.2.1"
    assert (caller.local_cseq, caller.remote_cseq) == (4, None)
    assert (callee.local_cseq, callee.remote_cseq) == (0, 4)
    assert caller.state == callee.state == "confirmed"


def test_the_route_set_is_reversed_at_the_caller():
    caller, callee = both(LOOSE)
    assert caller.route_set == tuple(reversed(LOOSE))
    assert callee.route_set == tuple(LOOSE)


def test_a_request_in_the_dialog_is_whole_and_arrives_in_the_other_end():
    caller, callee = both()
    later, bye = caller.request("BYE", headers=[("Reason", "Q.850;cause=16")])
    assert later.local_cseq == 5
    bye.headers.prepend("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
    received = parse_message(bye.to_bytes())
    validate(received)
    assert isinstance(received, Request)
    assert str(received.uri) == caller.remote_target
    assert str(received.cseq) == "5 BYE"
    assert received.max_forwards == 70
    assert received.headers.get("Reason") == "Q.850;cause=16"
    assert callee.matches(received)
    assert caller.matches(received, incoming=False)
    assert callee.receive(received).remote_cseq == 5
    response = make_response(received, 200)
    assert caller.matches(response)
    assert callee.matches(response, incoming=False)
    assert not callee.matches(response)


def test_body_and_contact_are_carried():
    caller, _ = both()
    _, reinvite = caller.request(
        "INVITE", contact="<sip:us@192.0.2.1>", body=b"v=0\r\n", content_type="application/sdp"
    )
    assert reinvite.content_type == "application/sdp"
    assert reinvite.body == b"v=0\r\n"
    assert str(reinvite.contact.uri) == "sip:us@192.0.2.1"


def test_the_ack_has_the_number_of_its_invite():
    caller, _ = both(LOOSE)
    later, _ = caller.request("INFO")
    ack = later.ack(4, headers=[("Authorization", "Digest x")])
    assert str(ack.cseq) == "4 ACK"
    assert ack.headers.all("Route") == list(reversed(LOOSE))
    assert later.local_cseq == 5


def test_loose_routing():
    _, callee = both(LOOSE)
    _, bye = callee.request("BYE")
    assert str(bye.uri) == "sip:200@192.0.2.1"
    assert bye.headers.all("Route") == LOOSE


def test_strict_routing_moves_the_target_to_the_last_route():
    """12.2.1.1: the first hop has no lr."""
    _, callee = both(["<sip:old.example.com;method=INVITE?Subject=x>", "<sip:p2.example.com;lr>"])
    _, bye = callee.request("BYE")
    assert str(bye.uri) == "sip:old.example.com"
    assert bye.headers.all("Route") == ["<sip:p2.example.com;lr>", "<sip:200@192.0.2.1>"]


def test_early_dialogs_of_forks_are_separate_and_the_2xx_renews_the_route_set():
    invite = build("INVITE")
    one = Dialog.from_response(invite, answered(invite, 183, "one", LOOSE))
    two = Dialog.from_response(invite, answered(invite, 180, "two"))
    assert one.state == two.state == "early"
    assert one.id != two.id
    final = answered(invite, 200, "one", LOOSE[:1])
    assert one.matches(final) and not two.matches(final)
    confirmed = one.confirmed(final)
    assert confirmed.state == "confirmed"
    assert confirmed.route_set == (LOOSE[0],)


def test_a_provisional_response_without_contact_leaves_the_request_uri():
    invite = build("INVITE")
    response = make_response(invite, 180, to_tag="bob")
    assert Dialog.from_response(invite, response).remote_target == "sip:201@192.0.2.2"


def test_an_invite_without_contact_makes_no_dialog():
    invite = build("INVITE")
    invite.headers.remove("Contact")
    with pytest.raises(ParseError) as caught:
        Dialog.from_request(invite, "bob")
    assert caught.value.status == 400


def test_our_own_200_only_confirms():
    invite = build("INVITE")
    callee = Dialog.from_request(invite, "bob")
    confirmed = callee.confirmed(answered(invite, 200, "bob"))
    assert confirmed.state == "confirmed"
    assert confirmed.remote_target == callee.remote_target


def test_cseq_must_not_fall_back_but_may_jump():
    _, callee = both()
    info = build("INFO", cseq=90, to_tag="bob")
    later = callee.receive(info)
    assert later.remote_cseq == 90
    with pytest.raises(ParseError) as caught:
        later.receive(build("INFO", cseq=89, to_tag="bob"))
    assert caught.value.status == 500
    assert later.receive(build("ACK", cseq=4, to_tag="bob")) == later


def test_a_caller_takes_the_first_number_as_it_comes():
    caller, _ = both()
    assert caller.receive(build("BYE", cseq=1)).remote_cseq == 1


def test_target_refresh():
    caller, callee = both()
    reinvite = build("INVITE", cseq=5, to_tag="bob")
    reinvite.headers.set("Contact", "<sip:moved@192.0.2.77>")
    assert callee.refresh(reinvite).remote_target == "sip:moved@192.0.2.77"
    assert caller.refresh(answered(reinvite, 200)).remote_target == "sip:bob@192.0.2.9:5070;transport=tcp"
    refused = make_response(reinvite, 488, headers=[("Contact", "<sip:x@192.0.2.66>")])
    assert caller.refresh(refused) == caller
    reinvite.headers.remove("Contact")
    assert callee.refresh(reinvite) == callee


@pytest.mark.parametrize(
    ("call_id", "from_tag", "to_tag"),
    [
        ("call-2", "alice", "bob"),
        ("call-1", "mallory", "bob"),
        ("call-1", "alice", ""),
        ("call-1", "alice", "guess"),
        ("call-1", "bob", "alice"),
    ],
)
def test_a_forged_bye_does_not_match(call_id, from_tag, to_tag):
    _, callee = both()
    bye = build("BYE", call_id=call_id, to_tag=to_tag)
    bye.headers.set("From", f"<sip:200@example.com>;tag={from_tag}")
    assert not callee.matches(bye)


def test_a_peer_of_rfc_2543_has_no_tag():
    invite = build("INVITE")
    invite.headers.set("From", "<sip:200@example.com>")
    callee = Dialog.from_request(invite, "bob")
    assert callee.remote_tag == ""
    _, bye = callee.request("BYE")
    assert bye.to_tag is None
    assert bye.from_tag == "bob"


def test_json_round_trip():
    for dialog in both(LOOSE):
        assert Dialog.from_json(json.loads(json.dumps(dialog.to_json()))) == dialog


def test_dialog_id_finds_a_dialog_in_a_dictionary():
    caller, callee = both()
    known = {caller.id: "caller", callee.id: "callee"}
    _, bye = caller.request("BYE")
    assert known[dialog_id(bye)] == "callee"
    assert known[dialog_id(make_response(bye, 200))] == "caller"


def test_display_names_survive():
    invite = build("INVITE")
    invite.headers.set("From", '"Ana \\"A\\" Lima, Jr." <sip:200@example.com;x=1>;tag=alice;y=2')
    callee = Dialog.from_request(invite, "bob")
    _, bye = callee.request("BYE")
    assert bye.to.display == 'Ana "A" Lima, Jr.'
    assert bye.to_tag == "alice"
    assert bye.to.uri.param("x") == "1"
