"""Registrations: several devices, order, expiry, NAT, and what comes back after a restart."""

import json

import pytest

from tests.pbx.lab import ALICE, page_flow, phone_flow, request
from ucplatform.pbx.registrar import MAX_BINDINGS, Binding, Registrar
from ucplatform.sip.errors import ParseError


def register(registrar, *contacts, flow=None, cseq=1, call_id="reg", now=1000.0, extra=(), via=None):
    message = request("REGISTER", "200", call_id=call_id, cseq=cseq, extra=extra)
    message.headers.remove("Contact")
    for contact in contacts:
        message.headers.add("Contact", contact)
    if via:
        message.headers.set("Via", via)
    return registrar.register(message, ALICE, flow or phone_flow(10), now)


def test_several_devices_of_one_extension():
    registrar = Registrar()
    register(registrar, "<sip:200@192.0.2.10>")
    response, fresh = register(registrar, "<sip:200@192.0.2.11>", call_id="other")
    assert len(response.headers.all("Contact")) == 2 and [b.contact for b in fresh] == ["sip:200@192.0.2.11"]
    assert [b.contact for b in registrar.devices("200", 1000.0)] == [
        "sip:200@192.0.2.10",
        "sip:200@192.0.2.11",
    ]


def test_a_device_that_names_itself_replaces_its_former_contact():
    registrar = Registrar()
    name = ';+sip.instance="<urn:uuid:1>"'
    register(registrar, f"<sip:abc@x.invalid;transport=ws>{name}", flow=page_flow("ws-1"))
    register(registrar, f"<sip:def@x.invalid;transport=ws>{name}", flow=page_flow("ws-2"), call_id="again")
    assert [b.flow.id for b in registrar.devices("200", 1000.0)] == ["ws-2"]


def test_expiry_by_parameter_header_and_default():
    registrar = Registrar()
    register(registrar, "<sip:200@192.0.2.10>;expires=60", extra=("Expires: 600",))
    register(registrar, "<sip:200@192.0.2.11>", extra=("Expires: 120",), call_id="b")
    register(registrar, "<sip:200@192.0.2.12>;expires=99999999999999999999", call_id="c")
    left = [b.expires_at - 1000.0 for b in registrar.devices("200", 1000.0)]
    assert left == [60, 120, 3600]
    assert len(registrar.devices("200", 1061.0)) == 2
    assert registrar.sweep(1061.0, 5.0) == {"200"}


def test_too_brief_is_423():
    with pytest.raises(ParseError) as caught:
        register(Registrar(), "<sip:200@192.0.2.10>;expires=5")
    assert caught.value.status == 423


def test_more_contacts_than_an_extension_may_have_are_not_even_compared():
    """Each is held against each: 500 in one REGISTER took half a second."""
    known = Registrar()
    register(known, *(f"<sip:200@192.0.2.{n}>" for n in range(MAX_BINDINGS)))
    with pytest.raises(ParseError) as caught:
        register(known, *(f"<sip:{n}@b>;expires=5" for n in range(2 * MAX_BINDINGS + 1)), call_id="many")
    assert caught.value.status == 403, "not the 423 of the first of them"
    former = [f"<sip:200@192.0.2.{n}>;expires=0" for n in range(MAX_BINDINGS)]
    later = [f"<sip:200@192.0.3.{n}>" for n in range(MAX_BINDINGS)]
    register(known, *former, *later, call_id="moved")
    assert len(known.devices("200", 1000.0)) == MAX_BINDINGS


def test_removal_of_one_and_of_all():
    registrar = Registrar()
    register(registrar, "<sip:200@192.0.2.10>", "<sip:200@192.0.2.11>")
    register(registrar, "<sip:200@192.0.2.10>;expires=0", cseq=2)
    assert [b.contact for b in registrar.devices("200", 1000.0)] == ["sip:200@192.0.2.11"]
    register(registrar, "*", cseq=3, extra=("Expires: 0",))
    assert registrar.devices("200", 1000.0) == () and registrar.count() == 0


def test_an_older_request_of_the_same_device_changes_nothing():
    registrar = Registrar()
    register(registrar, "<sip:200@192.0.2.10>", cseq=5)
    for contacts, extra in (("<sip:200@192.0.2.10>;expires=0", ()), ("*", ("Expires: 0",))):
        with pytest.raises(ParseError) as caught:
            register(registrar, contacts, cseq=5, extra=extra)
        assert caught.value.status == 500
    assert len(registrar.devices("200", 1000.0)) == 1


def test_the_number_of_devices_is_bounded():
    registrar = Registrar()
    with pytest.raises(ParseError) as caught:
        for n in range(MAX_BINDINGS + 1):
            register(registrar, f"<sip:200@192.0.2.{n + 1}>", call_id=str(n))
    assert caught.value.status == 403 and registrar.count() == MAX_BINDINGS


def test_without_contact_it_only_tells():
    registrar = Registrar()
    register(registrar, "<sip:200@192.0.2.10>")
    response, fresh = register(registrar, cseq=2)
    assert not fresh and "expires=3600" in response.headers.all("Contact")[0]


def test_behind_nat_the_packets_tell_the_way_and_without_it_the_contact():
    registrar = Registrar()
    inside = "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1;rport"
    register(registrar, "<sip:200@10.0.0.5:5060>", via=inside)
    behind = registrar.devices("200", 1000.0)[0]
    assert behind.behind_nat and behind.flow.remote == ("192.0.2.10", 5060)
    registrar = Registrar()
    register(registrar, "<sip:200@192.0.2.10:7777>")
    direct = registrar.devices("200", 1000.0)[0]
    assert not direct.behind_nat and direct.flow.remote == ("192.0.2.10", 7777)


def test_a_lost_browser_is_kept_a_while():
    registrar = Registrar()
    register(registrar, "<sip:x@y.invalid>", flow=page_flow("ws-1"))
    assert [b.lost_at for b in registrar.flow_lost("ws-1", 1000.0)] == [1000.0]
    assert registrar.sweep(1004.0, 5.0) == set()
    assert registrar.sweep(1006.0, 5.0) == {"200"}


def test_bindings_survive_json_and_streams_count_as_lost():
    registrar = Registrar()
    register(registrar, "<sip:200@192.0.2.10>")
    register(registrar, "<sip:x@y.invalid>", flow=page_flow("ws-1"), call_id="w")
    stored = [json.loads(json.dumps(b.to_json())) for b in registrar.everything()]
    again = Registrar()
    again.load((Binding.from_json(value) for value in stored), 1001.0)
    assert [(b.flow.transport, b.lost_at) for b in again.devices("200", 1001.0)] == [
        ("udp", None),
        ("wss", 1001.0),
    ]


def elsewhere(number: str, contact: str, at: float, instance: str = "") -> Binding:
    flow = page_flow("ws-9").seen_at("2")
    return Binding(number, contact, flow, instance, "c", 1, 5000.0, registered_at=at, edge="2")


def test_devices_of_another_edge_ring_too_and_are_not_counted_as_ours():
    registrar = Registrar()
    register(registrar, "<sip:200@192.0.2.10>")
    assert registrar.merge("200", "2", [elsewhere("200", "sip:page@x.invalid", 1001.0)]) == []
    assert [b.edge for b in registrar.devices("200", 1002.0)] == ["", "2"]
    assert (registrar.count(), registrar.numbers_of("2")) == (1, ["200"])
    assert [b.contact for b in registrar.held("200", 1002.0)] == ["sip:200@192.0.2.10"]
    registrar.merge("200", "2", [])
    assert [b.edge for b in registrar.devices("200", 1002.0)] == [""]


def test_a_device_belongs_to_the_edge_where_it_registered_last():
    registrar = Registrar()
    register(registrar, '<sip:a@x.invalid>;+sip.instance="<urn:uuid:1>"')
    older = elsewhere("200", "sip:b@x.invalid", 999.0, "<urn:uuid:1>")
    assert registrar.merge("200", "2", [older]) == []
    assert [b.edge for b in registrar.devices("200", 1000.0)] == [""]
    moved = registrar.merge("200", "2", [elsewhere("200", "sip:b@x.invalid", 1001.0, "<urn:uuid:1>")])
    assert [b.contact for b in moved] == ["sip:a@x.invalid"]
    assert [b.edge for b in registrar.devices("200", 1002.0)] == ["2"]
    register(registrar, '<sip:a@x.invalid>;+sip.instance="<urn:uuid:1>"', call_id="back", now=1003.0)
    assert [b.edge for b in registrar.devices("200", 1003.0)] == [""]


def test_only_what_we_held_is_ours_to_store_after_a_sweep():
    registrar = Registrar()
    registrar.merge("201", "2", [elsewhere("201", "sip:b@x.invalid", 1001.0)])
    register(registrar, "<sip:200@192.0.2.10>;expires=60")
    assert registrar.sweep(9000.0, 5.0) == {"200"} and registrar.devices("201", 0.0) == ()


def test_behind_a_proxy_a_device_is_reached_through_it():
    registrar = Registrar()
    flow = phone_flow(1).sent_by(("10.0.0.5", 5060))
    via = "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKp, SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1"
    _, fresh = register(registrar, "<sip:200@10.0.0.5>", flow=flow, via=via)
    _, other = register(registrar, "<sip:200@10.9.9.9>", flow=flow, via=via, call_id="nat")
    assert [b.flow for b in fresh + other] == [flow, flow]
    assert [b.behind_nat for b in fresh + other] == [False, True]


@pytest.mark.parametrize("rport", ["\u00b2", "99999999", "x", ""])
def test_a_port_that_is_none_does_no_harm(rport):
    """int() does not know every digit that str.isdigit() does."""
    via = f"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKp, SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK1;rport={rport}"
    assert register(Registrar(), "<sip:200@10.0.0.5>", via=via)[1]
