"""Registered devices: what is noted of them goes with them."""

import json
import random
import time

from tests.pbx.lab import ALICE, HOUSE, binding, page_flow, phone_flow, request
from ucplatform.edge.devices import Devices
from ucplatform.edge.probes import Probes
from ucplatform.edge.store import Store
from ucplatform.sip.flow import Flow


def probed_devices():
    probed = []
    devices = Devices(
        Store("redis://127.0.0.1:1/0"),
        lambda: HOUSE,
        lambda binding, request: probed.append((binding, request)),
    )
    return devices, probed


async def test_devices_behind_a_nat_are_called_on_and_no_others():
    devices, probed = probed_devices()
    nat = request("REGISTER", "200", extra=("Path: <sip:192.0.2.1;lr>",))
    nat.headers.set("Contact", "<sip:200@10.0.0.5>")
    devices.register(nat, ALICE, phone_flow(10), "")
    devices.register(request("REGISTER", "200", call_id="direct"), ALICE, phone_flow(10), "")
    (name,) = devices._probes.due(time.time() + 30.0)
    devices._ask(name, time.time())
    ((binding, asked),) = probed
    assert binding.contact == "sip:200@10.0.0.5" and asked.method == "OPTIONS"
    assert asked.headers.all("Route") == ["<sip:192.0.2.1;lr>"]


async def test_a_device_that_has_answered_and_falls_silent_is_dropped():
    devices, _ = probed_devices()
    one, two = binding(host=20, behind_nat=True), binding(host=21, behind_nat=True)
    devices.registrar.load([one, two], 0.0)
    for device in (one, two):
        devices._watch(device, 0.0)
    devices.probed(one.number, one.key, answered=True)
    for _ in range(3):
        for device in (one, two):
            devices.probed(device.number, device.key, answered=False)
    assert devices.of("201") == (two,), "two has never answered: it may not know OPTIONS"


async def test_notes_of_devices_that_are_gone_are_forgotten():
    devices, probed = probed_devices()
    one, two = binding(host=20, behind_nat=True), binding(host=21, behind_nat=True)
    devices.registrar.load([one, two], 0.0)
    for device in (one, two):
        devices._watch(device, 0.0)
    devices.registrar.drop(one)
    for name in devices._probes.due(30.0):
        devices._ask(name, 30.0)
    assert [binding for binding, _ in probed] == [two] and len(devices._probes) == 1
    assert devices._probes.due(60.0) == [(two.number, two.key)]


def test_devices_that_register_at_once_are_not_called_on_at_once():
    probes = Probes(random.Random(1))
    for n in range(100):
        probes.watch((str(n), "x"), 0.0)
    assert probes.due(19.9) == [] and 20 < len(probes.due(24.0)) < 80 and len(probes.due(28.0)) > 20


async def test_a_device_is_found_by_its_name_its_contact_or_its_gruu():
    devices, _ = probed_devices()
    old, new = phone_flow(10), Flow("tcp-2", "tcp", ("192.0.2.1", 5060), ("192.0.2.10", 41000))
    for flow, call_id in ((old, "one"), (new, "two")):
        again = request("REGISTER", "200", call_id=call_id, extra=("Supported: gruu",))
        again.headers.set("Contact", '<sip:200@192.0.2.10>;+sip.instance="<urn:uuid:1>"')
        response, _ = devices.register(again, ALICE, flow, "")
    gruu = response.contacts[0].param("pub-gruu")
    for instance, target in (("<urn:uuid:1>", "sip:x@y"), ("", "sip:200@192.0.2.10"), ("", gruu)):
        assert devices.open_flow("200", instance, target, lambda flow: True) == new
        assert devices.open_flow("200", instance, target, lambda flow: False) is None
    for instance, target in (("<urn:uuid:2>", "sip:200@192.0.2.10"), ("", "sip:200@192.0.2.11")):
        assert devices.open_flow("200", instance, target, lambda flow: True) is None


async def test_each_edge_stores_the_devices_that_registered_with_it():
    store = Store("redis://127.0.0.1:1/0")
    devices = Devices(store, lambda: HOUSE, lambda *what: None)
    told, dropped = [], []
    devices.on_change = lambda number, bindings: told.append((number, [b.contact for b in bindings]))
    devices.on_drop = dropped.append
    other = binding("200", flow=page_flow("ws-1").seen_at("2"), edge="2")
    devices.registrar.merge("200", "2", [other])
    devices.register(request("REGISTER", "200", extra=("Expires: 600",)), ALICE, phone_flow(10), "")
    stored = json.loads(store._made(f"uc:reg:200@{HOUSE.edge_id}").text)
    assert [item["contact"] for item in stored] == told[-1][1] and len(stored) == 1
    assert dropped == []
    gone = request("REGISTER", "200", call_id="all", extra=("Expires: 0",))
    gone.headers.set("Contact", "*")
    devices.register(gone, ALICE, phone_flow(10), "")
    assert dropped == [other] and told[-1] == ("200", [])
