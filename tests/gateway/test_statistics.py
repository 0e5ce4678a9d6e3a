"""Loss, jitter and round trip as RFC 3550 has them; and RTCP that both sides of a call get."""

from collections.abc import Awaitable, Callable, Iterable

import pytest

from gateway import rtcp
from gateway.gateway import Gateway
from gateway.rtcp import Report, ReportBlock, SenderInfo
from gateway.statistics import Received, Remote
from tests.gateway.browser import Browser
from tests.gateway.calls import browser_calls_phone
from tests.gateway.control import Control, config
from tests.gateway.phone import Phone

Phones = Callable[..., Awaitable[Phone]]
Browsers = Callable[..., Browser]


def received(sequences: Iterable[int], start: int = 0) -> Received:
    stream = Received()
    for index, sequence in enumerate(sequences):
        stream.packet(7, (start + sequence) & 0xFFFF, 160 * sequence, 172, 0.02 * index)
    return stream


@pytest.mark.parametrize("start", [0, 65000, 65535])
def test_loss(start: int) -> None:
    assert received(range(1000), start).lost == 0
    assert received([index for index in range(1000) if index % 10], start + 1).lost == 99
    assert received([0, 1, 2, 4, 3, 5], start).lost == 0
    assert received([0, 1, 1, 1, 2], start).lost == 0
    assert received([0, 1, 5], start).packets == 3


def test_a_new_stream_keeps_the_totals() -> None:
    stream = received([0, 1, 5])
    stream.packet(8, 40000, 0, 172, 1.0)
    stream.packet(8, 40002, 320, 172, 1.02)
    assert (stream.packets, stream.lost) == (5, 4)
    stream.packet(8, 10000, 640, 172, 1.04)  # the same SSRC has begun anew
    assert stream.lost == 4


def test_jitter() -> None:
    steady, shaken = Received(), Received()
    for index in range(500):
        steady.packet(7, index, 160 * index, 172, 0.02 * index)
        shaken.packet(7, index, 160 * index, 172, 0.02 * index + (0.005 if index % 2 else 0))
    assert steady.jitter_ms < 0.3
    assert shaken.jitter_ms == pytest.approx(5.0, abs=0.3)


def test_reports_and_what_comes_back() -> None:
    stream = received([index for index in range(100) if index % 4])
    stream.sender_report(0x12345678, 10.0)
    block = stream.report(10.5)
    assert block is not None
    assert (block.ssrc, block.lost, block.highest) == (7, 24, 99)
    assert block.fraction_lost == pytest.approx(256 * 24 / 99, abs=2)
    assert (block.last_report, block.delay) == (0x12345678, 32768)
    remote = Remote()
    remote.block(block, 0x12345678 + 32768 + 6554, 12.0)
    assert remote.rtt_ms == pytest.approx(100, abs=1)
    remote.block(block, 0x12345678, 12.0)  # earlier than it can be: not believed
    assert remote.rtt_ms == pytest.approx(100, abs=1)


def test_rtcp_round_trip() -> None:
    block = ReportBlock(7, 12, 3456, 70000, 99, 0xABCDEF01, 65536)
    sender = SenderInfo(0x1122334455667788, 1234, 10, 1600)
    for info in (sender, None):
        packets = rtcp.parse(rtcp.compound(5, info, block, "cname"))
        assert packets[0] == Report(5, info, (block,))
    assert sender.ntp_middle == 0x33445566
    assert [getattr(packet, "kind", None) for packet in rtcp.parse(rtcp.goodbye(5, "x"))] == [None, 202, 203]


async def test_both_sides_are_reported_to(phones: Phones, browsers: Browsers) -> None:
    gateway = Gateway(config(report_interval=0.2))
    await gateway.start()
    control = await Control.open(gateway)
    alice, bob = browsers(frequency=1000), await phones(frequency=440)
    control_port = await Phone.open()
    await browser_calls_phone(control, alice, bob)
    bob.talk()
    await bob.tone()
    # Its RTCP does not come from the port that its description implies; it is learned (RFC 4961).
    assert bob.peer is not None
    control_port.peer = (bob.peer[0], bob.peer[1] + 1)
    block = ReportBlock(bob.heard[-1].ssrc, 0, 5, 100, 80, 0, 0)
    report = rtcp.compound(bob.ssrc, SenderInfo(1 << 48, 0, 1, 160), block, "phone")
    control_port.transport.sendto(report, control_port.peer)
    await control_port.until(lambda: len(control_port.reports) >= 2)
    last = rtcp.parse(control_port.reports[-1])[0]
    assert isinstance(last, Report) and last.sender is not None
    assert last.ssrc == bob.heard[-1].ssrc and last.blocks[0].ssrc == bob.ssrc
    assert last.blocks[0].last_report == 1 << 32 & 0xFFFFFFFF
    legs = (await control.ask("query", "c1"))["legs"]
    assert legs["b"]["remote_lost"] == 5 and ng_number(legs["b"]["remote_jitter_ms"]) == 10.0
    browser_sees = [
        one for one in (await alice.connection.getStats()).values() if one.type == "remote-outbound-rtp"
    ]
    assert browser_sees and browser_sees[0].packetsSent > 0
    await control_port.close()
    control.close()
    await gateway.close()


def ng_number(value: object) -> float:
    """NG carries fractions as text."""
    return float(str(value))
