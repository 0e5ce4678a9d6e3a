"""Registered devices: what is noted of them goes with them."""

from tests.pbx.lab import HOUSE, binding
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
