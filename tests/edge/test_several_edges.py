"""Two whole edges of one house: a device of one is called through it, strays find their way."""

import asyncio
from types import SimpleNamespace

import pytest

from tests.edge.conftest import until
from tests.edge.house import DOMAIN, NUMBERS, House, known, talk
from tests.edge.telephone import Telephone

PROXY = "127.0.0.9"


async def test_a_device_of_another_edge_is_called_through_that_edge(house: House) -> None:
    one, two = await house.pair()
    caller, callee = await house.telephone("200", one), await house.telephone("201", two)
    assert (await caller.register()).status == (await callee.register()).status == 200
    await until(lambda: known(one, "201"))
    assert known(one, "201")[0].flow.edge == "2" and known(two, "201")[0].flow.edge == ""
    _, invite = await talk(caller, callee)
    contact = invite.contacts[0].uri
    assert (contact.port, contact.param("edge")) == (two.transports.addresses("udp")[0][1], "1")
    assert (one.health()["calls"], two.health()["calls"]) == (1, 0)
    callee.send(callee.inside("BYE", invite, callee.tag))  # to its own edge, which passes it on
    assert (await callee.response()).status == 200
    caller.answer(await caller.request("BYE"))
    await until(lambda: one.health()["calls"] == 0)


async def test_what_a_caller_sends_to_the_wrong_edge_reaches_its_call(house: House) -> None:
    one, two = await house.pair()
    caller, callee = await house.telephone("200", one), await house.telephone("201", one)
    await caller.register()
    await callee.register()
    _, invite = await talk(caller, callee)
    bye = callee.inside("BYE", invite, callee.tag)
    callee.send(bye, two.transports.addresses("udp")[0])
    assert (await callee.response()).status == 200
    caller.answer(await caller.request("BYE"))
    await until(lambda: one.health()["calls"] == 0)
    callee.send(bye.replace(b"z9hG4bK", b"z9hG4bKagain"), two.transports.addresses("udp")[0])
    assert (await callee.response()).status == 481


async def test_a_request_for_an_edge_that_has_just_ended_waits_until_it_is_back(house: House) -> None:
    one, two = await house.pair()
    caller, callee = await house.telephone("200", two), await house.telephone("201", two)
    await caller.register()
    await callee.register()
    _, invite = await talk(caller, callee)
    await until(lambda: known(one, "201"))
    await two.stop()
    await until(lambda: one.health()["edges"] == {"2": "away"})
    bye = callee.inside("BYE", invite, callee.tag)
    for _ in range(3):  # once, and as sent again
        callee.send(bye, one.transports.addresses("udp")[0])
    third = await house.telephone("202", one)
    await third.register()
    _, second = await talk(third, callee)  # from our own address: nothing stands before this telephone
    assert second.contacts[0].uri.port == one.transports.addresses("udp")[0][1]
    again = await house.start("2", UC_SIP_UDP=f"127.0.0.1:{caller.server[1]}")
    assert (await callee.response()).status == 200
    caller.answer(await caller.request("BYE"))
    await until(lambda: again.health()["calls"] == 0)
    assert again.health()["registrations"] == 2 and callee.responses.empty()


async def test_a_request_for_an_edge_that_stays_away_is_excused_and_the_dialog_spared(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ucplatform.edge.neighbours.HELD_SECONDS", 0.1)
    monkeypatch.setattr("ucplatform.edge.neighbours.HELD", 1)
    one, two = await house.pair()
    caller, callee = await house.telephone("200", two), await house.telephone("201", two)
    await caller.register()
    await callee.register()
    _, invite = await talk(caller, callee)
    await two.stop()
    await until(lambda: one.health()["edges"] == {"2": "away"})
    for _ in range(2):  # one is kept for a while, the other is one too many
        callee.send(callee.inside("INFO", invite, callee.tag), one.transports.addresses("udp")[0])
    assert [(await callee.response()).status for _ in range(2)] == [503, 503]
    one.neighbours._fleet.others.clear()  # a minute later
    callee.send(callee.inside("BYE", invite, callee.tag), one.transports.addresses("udp")[0])
    assert (await callee.response()).status == 481


async def test_a_device_that_unregisters_at_another_edge_is_gone_from_both(house: House) -> None:
    one, two = await house.pair()
    phone = await house.telephone("201", two)
    await phone.register()
    await until(lambda: known(one, "201"))
    phone.server = one.transports.addresses("udp")[0]
    assert (await phone.register("Expires: 0")).status == 200
    await until(lambda: not known(two, "201") and not known(one, "201"))
    assert two.health()["registrations"] == 0


async def test_an_edge_that_comes_later_hears_of_all_devices(house: House) -> None:
    one = await house.start("1")
    for number in NUMBERS:
        await (await house.telephone(number, one)).register()
    two = await house.start("2")
    await until(lambda: all(known(two, number) for number in NUMBERS))
    await until(lambda: {known(two, number)[0].flow.edge for number in NUMBERS} == {"1"})


async def test_a_telephone_whose_connection_another_edge_holds_is_told_of_as_lost(house: House) -> None:
    one, two = await house.pair()
    caller = await house.telephone("200", one)
    await caller.register()
    reader, writer = await asyncio.open_connection(*two.transports.addresses("tcp")[0])
    phone = Telephone("201", "secret-201", ("", 0), DOMAIN)
    phone.address = "{}:{}".format(*writer.get_extra_info("sockname"))
    phone.via = (f"SIP/2.0/TCP {phone.address}",)
    phone._transport = SimpleNamespace(sendto=lambda data, to: writer.write(data))

    async def listen() -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r")[0])
            phone.datagram_received(head + await reader.readexactly(length), ("", 0))

    listening = asyncio.get_running_loop().create_task(listen())
    assert (await phone.register()).status == 200
    await until(lambda: known(one, "201"))
    _, invite = await talk(caller, phone)
    assert "edge=1" in str(invite.contacts[0]) and known(one, "201")[0].flow.edge == "2"
    listening.cancel()
    flow = known(one, "201")[0].flow
    assert one.transports.is_open(flow)
    writer.close()
    await until(lambda: not one.transports.is_open(flow))
    await until(lambda: known(one, "201")[0].lost_at is not None)


async def test_behind_a_proxy_in_front_the_sender_is_who_the_proxy_says(house: House) -> None:
    one, two = await house.pair(UC_SIP_TRUSTED=[PROXY])
    caller, proxy = await house.telephone("200", one), await house.telephone("201", two, PROXY)
    await caller.register()
    own = f"SIP/2.0/UDP {proxy.address};rport"

    def behind(source: str) -> None:
        proxy.via = (own, f"SIP/2.0/UDP 192.168.1.5:5060;received={source};rport=4000")

    behind("203.0.113.7")
    assert (await proxy.register(f"Path: <sip:{proxy.address};lr>", "Supported: path")).status == 200
    await until(lambda: known(one, "201"))
    for edge in (one, two):  # every edge reaches the proxy by itself
        (binding,) = known(edge, "201")
        assert (binding.flow.edge, binding.flow.peer) == ("", ("203.0.113.7", 4000))
    _, invite = await talk(caller, proxy)
    assert invite.headers.get("Route") == f"<sip:{proxy.address};lr>"
    for source, status in (("203.0.113.66", 401), ("203.0.113.7", 200)):
        behind(source)
        proxy.send(proxy.inside("BYE", invite, proxy.tag), one.transports.addresses("udp")[0])
        assert (await proxy.response()).status == status


async def test_an_attended_transfer_joins_calls_of_two_edges(house: House) -> None:
    one, two = await house.pair()
    caller, middle = await house.telephone("200", one), await house.telephone("201", one)
    target = await house.telephone("202", two)
    for phone in (caller, middle, target):
        await phone.register()
    await until(lambda: known(two, "201") and known(one, "202"))
    _, first = await talk(caller, middle)
    middle.server = two.transports.addresses("udp")[0]
    second, invite = await talk(middle, target)
    assert (one.health()["calls"], two.health()["calls"]) == (1, 1)
    replaces = f"{second.call_id}%3Bto-tag%3D{second.to_tag}%3Bfrom-tag%3D{second.from_tag}"
    middle.server = one.transports.addresses("udp")[0]
    refer = f"Refer-To: <sip:202@{DOMAIN}?Replaces={replaces}>"
    middle.send(middle.inside("REFER", first, middle.tag, refer))
    assert (await middle.response()).status == 202
    await until(lambda: (one.health()["calls"], two.health()["calls"]) == (2, 0))
    middle.answer(await middle.request("NOTIFY"))
    await until(lambda: one.health()["calls"] == 1)
    middle.answer(await middle.request("BYE"))
    target.send(target.inside("BYE", invite, target.tag))  # to where it has always sent
    caller.answer(await caller.request("BYE"))
    await until(lambda: one.health()["calls"] == 0)


async def test_a_transfer_to_a_call_that_no_edge_has_fails_as_it_does_in_a_house_with_one(
    house: House,
) -> None:
    one, _ = await house.pair()
    caller, middle = await house.telephone("200", one), await house.telephone("201", one)
    for phone in (caller, middle):
        await phone.register()
    _, invite = await talk(caller, middle)
    refer = f"Refer-To: <sip:202@{DOMAIN}?Replaces=x%3Bto-tag%3De2-5f%3Bfrom-tag%3Dy>"
    middle.send(middle.inside("REFER", invite, middle.tag, refer))
    assert (await middle.response()).status == 202
    for said in (b"SIP/2.0 100", b"SIP/2.0 48"):
        notify = await middle.request("NOTIFY")
        assert notify.body.startswith(said)
        middle.answer(notify)


async def test_a_call_that_the_other_edge_does_not_take_comes_back(house: House) -> None:
    one, two = await house.pair()
    caller, callee = await house.telephone("200", two), await house.telephone("201", two)
    await caller.register()
    await callee.register()
    answer, invite = await talk(caller, callee)
    dialog = (answer.call_id, answer.to_tag, answer.from_tag)
    two.neighbours.news("1", {"give": ["nobody waits", *dialog]})
    assert two.health()["calls"] == 0
    await until(lambda: two.health()["calls"] == 1)
    assert one.health()["calls"] == 0 and not two.neighbours._given
    one.neighbours._wanted["waits"] = lambda: None
    two.neighbours.news("1", {"give": ["waits", *dialog]})
    callee.send(callee.inside("BYE", invite, callee.tag))  # while it is on its way
    assert (await callee.response()).status == 200
    caller.answer(await caller.request("BYE"))
    await until(lambda: one.health()["calls"] == two.health()["calls"] == 0)
