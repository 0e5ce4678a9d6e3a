"""Registrations with Path, with several flows, and with GRUUs (RFC 3327, 5626, 5627)."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pbx.lab import BOB, Bench, binding, page_flow, phone_flow, sdp
from tests.pbx.test_registrar import register
from ucplatform.pbx.gruu import Gruus
from ucplatform.pbx.inputs import DeviceBack, NoReply
from ucplatform.pbx.registrar import Binding, Registrar, by_device
from ucplatform.pbx.routing import ToExtension
from ucplatform.sip.errors import ParseError
from ucplatform.sip.flow import Flow
from ucplatform.sip.headers import NameAddr
from ucplatform.sip.uri import Uri

INSTANCE = '+sip.instance="<urn:uuid:0001>"'
OUTBOUND = ("Supported: path, outbound, gruu",)
PROXIED = "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKp, SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1;rport"


def tcp(name: str, host: int = 10) -> Flow:
    return Flow(name, "tcp", ("192.0.2.1", 5060), (f"192.0.2.{host}", 40000))


def flows(registrar: Registrar, *numbers: int, **more) -> None:
    """The device registers its flows tcp-1, tcp-2, …"""
    for n in numbers:
        contact = f"<sip:200@192.0.2.10;transport=tcp>;{INSTANCE};reg-id={n}"
        register(registrar, contact, flow=tcp(f"tcp-{n}"), call_id=f"reg{n}", extra=OUTBOUND, **more)


# -- Path ------------------------------------------------------------------------------------------


def test_path_is_stored_and_copied_into_the_answer_in_its_order():
    registrar = Registrar()
    lines = ("Path: <sip:p1.test;lr>, <sip:p2.test;lr>", "Path: <sip:p3.test;lr>", "Supported: path")
    response, fresh = register(registrar, "<sip:200@10.0.0.5>", extra=lines, via=PROXIED)
    hops = ("<sip:p1.test;lr>", "<sip:p2.test;lr>", "<sip:p3.test;lr>")
    assert fresh[0].path == hops  # RFC 3327 5.3
    assert tuple(response.headers.values("Path")) == hops


def test_path_is_not_told_to_a_device_that_does_not_know_it():
    response, fresh = register(
        Registrar(), "<sip:200@10.0.0.5>", extra=("Path: <sip:p1.test;lr>",), via=PROXIED
    )
    assert fresh[0].path and "Path" not in response.headers


def test_behind_a_path_requests_go_to_the_proxy_that_passed_the_registration_on():
    lines = ("Path: <sip:192.0.2.10:5080;lr>", "Supported: path")
    _, fresh = register(Registrar(), "<sip:200@10.0.0.5>", extra=lines, via=PROXIED)
    assert fresh[0].flow.remote == ("192.0.2.10", 5080)


def test_a_path_sends_us_to_nobody_else():
    lines = ("Path: <sip:203.0.113.9:5080;lr>", "Supported: path")
    _, fresh = register(Registrar(), "<sip:200@10.0.0.5>", extra=lines, via=PROXIED)
    assert fresh[0].flow.remote == ("192.0.2.10", 5060)


@pytest.mark.parametrize("path", ["sip:p1.test;lr", "<tel:1>", "<sip:p1", ", ".join(["<sip:p;lr>"] * 9)])
def test_a_path_that_cannot_be_used_is_400(path):
    registrar = Registrar()
    with pytest.raises(ParseError) as caught:
        register(registrar, "<sip:200@10.0.0.5>", extra=(f"Path: {path}",))
    assert caught.value.status == 400 and registrar.count() == 0


# -- outbound --------------------------------------------------------------------------------------


def test_several_flows_of_one_device_are_one_device():
    registrar = Registrar()
    flows(registrar, 1, 2)
    register(registrar, "<sip:200@192.0.2.30>", flow=phone_flow(30), call_id="other")
    devices = by_device(registrar.devices("200", 1000.0))
    assert [[b.flow.id for b in flows] for flows in devices[:1]] == [["tcp-2", "tcp-1"]]  # the newest first
    assert len(devices) == 2 and len(devices[1]) == 1


def test_a_flow_registered_again_replaces_itself_only():
    registrar = Registrar()
    flows(registrar, 1, 2)
    contact = f"<sip:200@192.0.2.10;transport=tcp>;{INSTANCE};reg-id=1"
    register(registrar, contact, flow=tcp("tcp-9"), call_id="new", extra=OUTBOUND)
    assert [b.flow.id for b in registrar.devices("200", 1000.0)] == ["tcp-2", "tcp-9"]


def test_the_answer_says_that_outbound_is_in_use_and_how_often_to_call():
    contact = f"<sip:200@192.0.2.10;transport=tcp>;{INSTANCE};reg-id=1"
    response, _ = register(
        Registrar(), contact, flow=tcp("tcp-1"), extra=OUTBOUND, via="SIP/2.0/TCP 192.0.2.10;branch=z9hG4bK1"
    )
    assert response.require == ["outbound"] and "outbound" in response.supported  # RFC 5626 section 6
    assert response.headers.get("Flow-Timer") == "120"
    assert response.contacts[0].param("reg-id") == "1"
    assert response.contacts[0].param("+sip.instance") == "<urn:uuid:0001>"


@pytest.mark.parametrize(
    ("contact", "extra"),
    [
        (f"<sip:200@192.0.2.10>;{INSTANCE};reg-id=1", ()),  # not supported by the device
        ("<sip:200@192.0.2.10>;reg-id=1", OUTBOUND),  # whose flow?
        (f"<sip:200@192.0.2.10>;{INSTANCE}", OUTBOUND),
    ],
)
def test_without_all_three_signs_it_is_a_registration_as_ever(contact, extra):
    response, fresh = register(Registrar(), contact, extra=extra)
    assert fresh[0].reg_id == 0 and "Require" not in response.headers and "Flow-Timer" not in response.headers


@pytest.mark.parametrize("path", [(), ("Path: <sip:192.0.2.10;lr>",)])
def test_a_first_hop_that_keeps_no_flow_is_439(path):
    with pytest.raises(ParseError) as caught:
        register(
            Registrar(), f"<sip:200@10.0.0.5>;{INSTANCE};reg-id=1", extra=(*OUTBOUND, *path), via=PROXIED
        )
    assert caught.value.status == 439  # RFC 5626 11.6


def test_a_first_hop_that_says_ob_keeps_the_flow():
    path = "Path: <sip:192.0.2.10;lr>, <sip:token@edge.test;lr;ob>"
    _, fresh = register(
        Registrar(), f"<sip:200@10.0.0.5>;{INSTANCE};reg-id=1", extra=(*OUTBOUND, path), via=PROXIED
    )
    assert fresh[0].reg_id == 1


@pytest.mark.parametrize("text", ["0", "x", "-1", "99999999999"])
def test_a_reg_id_that_is_none_is_400(text):
    with pytest.raises(ParseError) as caught:
        register(Registrar(), f"<sip:200@192.0.2.10>;{INSTANCE};reg-id={text}", extra=OUTBOUND)
    assert caught.value.status == 400


def test_a_lost_flow_comes_behind_the_others():
    registrar = Registrar()
    flows(registrar, 1, 2)
    registrar.flow_lost("tcp-2", 1001.0)
    (device,) = by_device(registrar.devices("200", 1001.0))
    assert [b.flow.id for b in device] == ["tcp-1", "tcp-2"]


def test_a_device_that_ceases_to_use_outbound_is_there_once():
    registrar = Registrar()
    flows(registrar, 1, 2)
    register(registrar, f"<sip:200@192.0.2.10;transport=tcp>;{INSTANCE}", flow=tcp("tcp-3"), call_id="plain")
    assert [b.flow.id for b in registrar.devices("200", 1000.0)] == ["tcp-3"]
    flows(registrar, 1)
    assert [b.flow.id for b in registrar.devices("200", 1000.0)] == ["tcp-1"]


def test_one_flow_is_removed_and_the_other_stays():
    registrar = Registrar()
    flows(registrar, 1, 2)
    contact = f"<sip:200@192.0.2.10;transport=tcp>;{INSTANCE};reg-id=2;expires=0"
    register(registrar, contact, flow=tcp("tcp-2"), call_id="reg2", cseq=2, extra=OUTBOUND)
    assert [b.reg_id for b in registrar.devices("200", 1000.0)] == [1]


def test_path_flow_number_and_words_survive_a_restart():
    registrar = Registrar()
    lines = (*OUTBOUND, "Path: <sip:192.0.2.10;lr;ob>")
    register(registrar, f"<sip:200@10.0.0.5;transport=tcp>;{INSTANCE};reg-id=3", extra=lines, via=PROXIED)
    (kept,) = registrar.everything()
    assert Binding.from_json(json.loads(json.dumps(kept.to_json()))) == kept
    assert kept.path and kept.reg_id == 3 and kept.noticed


# -- GRUU ------------------------------------------------------------------------------------------

GRUUS = Gruus("pbx.test", b"secret of the house")


def registered(registrar: Registrar, **more) -> tuple[Uri, Uri]:
    """The public and the temporary GRUU of a registration."""
    contact = f"<sip:200@192.0.2.10>;{INSTANCE}"
    response, _ = register(registrar, contact, extra=("Supported: gruu",), **more)
    answer: NameAddr = response.contacts[-1]
    return Uri.parse(answer.param("pub-gruu") or ""), Uri.parse(answer.param("temp-gruu") or "")


def test_a_gruu_leads_to_its_device_and_to_no_other():
    registrar = Registrar(GRUUS)
    register(registrar, '<sip:200@192.0.2.20>;+sip.instance="<urn:uuid:0002>"', call_id="other")
    for uri in registered(registrar):
        gruu = registrar.gruu(uri)
        assert gruu is not None and gruu.number == "200"
        assert [b.instance for b in registrar.named(gruu, 1000.0)] == ["<urn:uuid:0001>"]


def test_the_public_gruu_stays_and_temporary_ones_are_never_the_same():
    registrar = Registrar(GRUUS)
    public, temporary = registered(registrar)
    again, other = registered(registrar, cseq=2)
    assert str(public) == "sip:200@pbx.test;gr=urn:uuid:0001" == str(again)
    assert temporary != other and "200" not in str(temporary)
    for uri in (temporary, other):  # both stay good (RFC 5627 section 3.1.2)
        assert registrar.named(registrar.gruu(uri), 1000.0)


def test_a_new_call_id_ends_the_temporary_gruus():
    registrar = Registrar(GRUUS)
    public, temporary = registered(registrar)
    registered(registrar, call_id="rebooted")
    assert registrar.named(registrar.gruu(temporary), 1000.0) == ()  # RFC 5627 section 4.2
    assert registrar.named(registrar.gruu(public), 1000.0)


def test_temporary_gruus_outlast_a_restart():
    registrar = Registrar(GRUUS)
    _, temporary = registered(registrar)
    again = Registrar(Gruus("pbx.test", b"secret of the house"))
    again.load(registrar.everything(), 1000.0)
    assert again.named(again.gruu(temporary), 1000.0)


@pytest.mark.parametrize(
    "user", ["tgruu.", "tgruu.AAAA", "tgruu." + "A" * 60, "tgruu.*", "tgruu." + "A" * 9000, "x"]
)
def test_a_gruu_that_was_never_given_leads_nowhere(user):
    registrar = Registrar(GRUUS)
    registered(registrar)
    gruu = registrar.gruu(Uri.parse(f"sip:{user}@pbx.test;gr"))
    assert gruu is not None and gruu.number == "" and registrar.named(gruu, 1000.0) == ()


def test_a_changed_letter_breaks_the_seal():
    registrar = Registrar(GRUUS)
    _, temporary = registered(registrar)
    user = temporary.user or ""
    for place in range(len("tgruu."), len(user) - 1):
        other = user[:place] + ("A" if user[place] != "A" else "B") + user[place + 1 :]
        assert registrar.gruu(Uri.parse(f"sip:{other}@pbx.test;gr")).number == ""


def test_gruus_are_given_to_devices_that_ask_and_have_a_name():
    registrar = Registrar(GRUUS)
    response, _ = register(registrar, f"<sip:200@192.0.2.10>;{INSTANCE}")
    nameless, _ = register(registrar, "<sip:200@192.0.2.11>", extra=("Supported: gruu",), call_id="x")
    assert response.contacts[0].param("pub-gruu") is None
    assert nameless.contacts[1].param("pub-gruu") is None


def test_an_instance_id_may_hold_anything():
    registrar = Registrar(GRUUS)
    contact = '<sip:200@192.0.2.10>;+sip.instance="<urn:x:a;b ?c>"'
    response, _ = register(registrar, contact, extra=("Supported: gruu",))
    public = Uri.parse(response.contacts[0].param("pub-gruu"))
    assert registrar.named(registrar.gruu(public), 1000.0)


def test_a_plain_number_is_no_gruu():
    assert Registrar(GRUUS).gruu(Uri.parse("sip:200@pbx.test;user=phone")) is None


PIECES = [
    "<sip:",
    ">",
    ";ob",
    ";gr=",
    ";lr",
    '"',
    "\\",
    ",",
    ";",
    "=",
    "%",
    "%FF",
    "@",
    ":",
    "[::1]",
    "[",
    "tgruu.",
]
PIECES += ["10.0.0.5", "+sip.instance=", "reg-id=", "expires=", "1", "0", "²", "é", " "]
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@settings(max_examples=200, deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_no_registration_raises_anything_but_its_own_error(instance, path, via, user):
    registrar = Registrar(GRUUS)
    contact = f'<sip:200@10.0.0.5>;+sip.instance="{instance}";reg-id=1'
    lines = (*OUTBOUND, f"Path: <sip:{path};ob>")
    try:
        register(registrar, contact, extra=lines, via=f"{PROXIED};received={via};rport={via}")
        for binding in registrar.everything():
            Binding.from_json(json.loads(json.dumps(binding.to_json())))
            registrar.named(registrar.gruu(Uri.parse(GRUUS.public("200", binding.instance))), 1000.0)
        registrar.gruu(Uri.parse(f"sip:{user}@pbx.test;gr={instance}"))
    except ParseError:
        pass


def test_a_name_that_is_no_utf_8_has_a_gruu_too():
    """What the network sends must not raise where the answer is written."""
    registrar = Registrar(GRUUS)
    contact = '<sip:200@192.0.2.10>;+sip.instance="<urn:x:\udcff>"'
    response, _ = register(registrar, contact, extra=("Supported: gruu",))
    public = Uri.parse(response.contacts[0].param("pub-gruu"))
    assert str(public).endswith("gr=urn:x:%FF") and registrar.named(registrar.gruu(public), 1000.0)


# -- order and bounds ------------------------------------------------------------------------------


def test_contacts_are_one_when_their_uris_are_equal():
    """RFC 3261 10.3 step 7 and 19.1.4: case and escapes do not make another device."""
    registrar = Registrar()
    register(registrar, "<sip:%32%30%30@PHONE.test>")
    register(registrar, "<sip:200@phone.test>", cseq=2)
    assert [b.contact for b in registrar.devices("200", 1000.0)] == ["sip:200@phone.test"]


def test_the_answer_carries_the_date():
    response, _ = register(Registrar(), "<sip:200@192.0.2.10>", now=1_700_000_000.0)
    assert response.headers.get("Date") == "Tue, 14 Nov 2023 22:13:20 GMT"  # RFC 3261 20.17


def test_devices_that_come_and_go_leave_nothing_behind():
    registrar = Registrar()
    for n in range(2000):
        register(registrar, "<sip:200@192.0.2.10>", cseq=2 * n + 1)
        register(registrar, "<sip:200@192.0.2.10>;expires=0", cseq=2 * n + 2)
    assert len(registrar._heap) < 100 and not registrar._due and registrar.count() == 0


def test_a_refreshed_registration_ends_at_its_new_time():
    registrar = Registrar()
    register(registrar, "<sip:200@192.0.2.10>;expires=60", now=1000.0)
    register(registrar, "<sip:200@192.0.2.10>;expires=60", cseq=2, now=1050.0)
    assert registrar.sweep(1061.0, 5.0) == set() and registrar.count() == 1
    assert registrar.sweep(1111.0, 5.0) == {"200"} and registrar.count() == 0


def test_a_page_that_comes_back_by_another_flow_is_not_swept():
    registrar = Registrar()
    name = f"<sip:x@y.invalid;transport=ws>;{INSTANCE};reg-id=1"
    register(registrar, name, flow=page_flow("ws-1"), extra=OUTBOUND)
    registrar.flow_lost("ws-1", 1001.0)
    register(registrar, name, flow=page_flow("ws-2"), extra=OUTBOUND, call_id="back", now=1003.0)
    assert registrar.sweep(1010.0, 5.0) == set()
    assert [b.flow.id for b in registrar.devices("200", 1010.0)] == ["ws-2"]


# -- calls to such devices -------------------------------------------------------------------------


def outbound(number: int, **more) -> Binding:
    return binding(host=20, flow=tcp(f"tcp-{number}", 20), reg_id=number, **more)


def test_a_call_takes_the_next_flow_where_one_leads_nowhere():
    bench = Bench()
    bench.dial(outbound(1), outbound(2))
    assert [leg.flow.id for leg in bench.call.devices] == ["tcp-2"]
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.feed(NoReply("leg2", "invite", 503))
    assert bench.call.state == "ringing"
    bench.engine("offer:leg3", sdp=sdp(1, 5002))
    assert bench.call.legs["leg3"].flow.id == "tcp-1" and bench.sent("leg3", "INVITE").method == "INVITE"
    bench.device("leg3", 430)  # RFC 5626 11.5: the edge proxy of the last flow has lost it too
    assert bench.call.state == "over"


def test_a_device_that_has_rung_is_not_called_by_its_next_flow():
    bench = Bench()
    bench.dial(outbound(1), outbound(2))
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.device("leg2", 180)
    bench.device("leg2", 408)
    assert list(bench.call.legs) == ["leg1", "leg2"] and bench.call.state == "over"


def test_another_flow_of_a_ringing_device_does_not_ring_again():
    bench = Bench()
    bench.dial(outbound(1))
    bench.feed(DeviceBack(outbound(2)._replace(contact="sip:201@192.0.2.20:7000")))
    assert len(bench.call.devices) == 1


def test_an_invite_takes_the_path_of_the_registration():
    bench = Bench()
    bench.dial(binding(path=("<sip:p1.test;lr>", "<sip:p2.test;lr>")))
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    assert bench.sent("leg2", "INVITE").headers.all("Route") == ["<sip:p1.test;lr>", "<sip:p2.test;lr>"]


def test_a_call_to_a_gruu_is_a_call_to_the_number():
    bench = Bench()
    bench.dial(binding(), to="tgruu.abc", route=ToExtension(BOB))
    assert bench.call.dialled == "201"
