"""Registered devices: what is noted of them goes with them."""

import json

from tests.pbx.lab import ALICE, HOUSE, binding, page_flow, phone_flow, request
from ucplatform.edge.devices import Devices
from ucplatform.edge.store import Store


async def test_notes_of_devices_that_are_gone_are_forgotten():
    probed = []
    devices = Devices(Store("redis://127.0.0.1:1/0"), lambda: HOUSE, lambda *what: probed.append(what))
    one, two = binding(host=20, behind_nat=True), binding(host=21, behind_nat=True)
    devices.registrar.load([one, two], 0.0)
    for device in (one, two):
        devices._keep_alive(device, 0.0)
        devices.probed(device.number, device.key, answered=True)
    devices.registrar.drop(one)
    devices.probed(one.number, one.key, answered=True)
    devices._forget_but({(two.number, two.key)})
    assert set(devices._missed) == set(devices._next_probe) == {(two.number, two.key)}


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
