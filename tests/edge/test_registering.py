"""Registrations at a whole edge: GRUUs, several flows, IPv6, NAT and ALG, the certificate's end in health."""

import asyncio
from pathlib import Path

import pytest

from tests.edge.conftest import Lines, until
from tests.edge.house import DOMAIN, House, known
from tests.edge.telephone import SDP, Telephone
from tests.edge.test_tls import put
from ucplatform.sip.flow import hostport

OUTBOUND = "Supported: path, outbound, gruu"


def contact(phone: Telephone, instance: int, reg_id: int = 0) -> str:
    number = f";reg-id={reg_id}" if reg_id else ""
    return f'Contact: {phone.contact};+sip.instance="<urn:uuid:{instance}>"{number}'


async def rings(caller: Telephone, uri: str, callee: Telephone) -> None:
    """A call to `uri` rings at `callee`, and is refused there."""
    asking = asyncio.get_running_loop().create_task(caller.ask("INVITE", uri, body=SDP))
    callee.answer(await callee.request("INVITE"), 486)
    await callee.request("ACK")
    response = await asking
    assert response.status == 486
    caller.acknowledge(response)


async def test_a_call_to_a_gruu_rings_at_that_device_alone(house: House) -> None:
    edge = await house.start("1")
    caller = await house.telephone("200", edge)
    one, two = await house.telephone("201", edge), await house.telephone("201", edge)
    await caller.register()
    await one.register(contact(one, 1), "Supported: gruu")
    answer = await two.register(contact(two, 2), "Supported: gruu")
    mine = next(c for c in answer.contacts if c.param("+sip.instance") == "<urn:uuid:2>")
    for name in ("pub-gruu", "temp-gruu"):
        await rings(caller, mine.param(name) or "", two)
    assert one.requests.empty()
    gone = await caller.ask("INVITE", f"sip:tgruu.AAAA@{DOMAIN};gr", body=SDP)
    assert gone.status == 404


async def test_a_device_is_reached_by_its_other_flow_when_one_is_gone(house: House) -> None:
    edge = await house.start("1")
    caller = await house.telephone("200", edge)
    await caller.register()
    first, second = [await house.connected("201", edge) for _ in range(2)]
    for number, phone in enumerate((first, second), 1):
        response = await phone.register(contact(phone, 7, number), OUTBOUND)
        assert response.require == ["outbound"] and response.headers.get("Flow-Timer") == "120"
    await rings(caller, f"sip:201@{DOMAIN}", second)  # the newer flow, and only that
    assert first.requests.empty()
    second.close()
    await until(lambda: [b.reg_id for b in known(edge, "201") if b.lost_at is not None] == [2])
    await rings(caller, f"sip:201@{DOMAIN}", first)


@pytest.mark.parametrize("kind", ["udp", "tcp", "tls"])
async def test_ipv6_from_registration_to_ringing(house: House, kind: str) -> None:
    edge = await house.start("1", UC_SIP_UDP="[::1]:0", UC_SIP_TCP="[::1]:0", UC_SIP_TLS="[::1]:0")
    caller = await house.telephone("200", edge, "::1")
    callee = await (
        house.telephone("201", edge, "::1") if kind == "udp" else house.connected("201", edge, kind)
    )
    for phone in (caller, callee):
        assert (await phone.register()).status == 200
        (binding,) = known(edge, phone.number)
        assert binding.flow.remote[0] == "::1" and binding.noticed == ()
    asking = asyncio.get_running_loop().create_task(caller.ask("INVITE", f"sip:201@{DOMAIN}", body=SDP))
    invite = await callee.request("INVITE")
    here = edge.transports.addresses(kind)[0]
    assert f"{invite.via.host}:{invite.via.port}" == hostport(here)
    assert f"{invite.contacts[0].uri.host}:{invite.contacts[0].uri.port}" == hostport(here)
    assert b"IN IP6 ::1\r\n" in invite.body.partition(b"s=")[0]
    callee.answer(invite, 486)
    response = await asking
    assert response.status == 486
    caller.acknowledge(response)


async def test_what_a_router_did_to_a_registration_is_said_once(house: House, lines: Lines) -> None:
    edge = await house.start("1")
    phone = await house.telephone("201", edge)
    for _ in range(2):
        phone.tag = "same"
        await phone.register("Contact: <sip:201@192.168.1.5:5060>")
    (binding,) = known(edge, "201")
    # The loopback address is no private one: to us it is as good as a public address.
    assert binding.noticed == ("nat", "alg-via") and binding.behind_nat
    (line,) = lines.about("registered number=201")
    assert "noticed=nat,alg-via" in line


async def test_health_tells_of_a_certificate_that_ends(house: House, tmp_path: Path) -> None:
    put(tmp_path / "cert.pem", "phone.test", days=12)
    files = {name: str(tmp_path / "cert.pem") for name in ("UC_TLS_CERT", "UC_TLS_KEY")}
    edge = await house.start("1", UC_SIP_TLS="127.0.0.1:0", **files)
    await until(lambda: edge.health()["state"] == "ready")
    assert edge.health()["lacks"] == ["TLS certificate cert.pem ends in 12 days"]
