"""Who sent what came through proxies in front."""

import pytest

from tests.pbx.lab import page_flow, request
from ucplatform.edge.limits import Admission
from ucplatform.edge.proxies import Proxies
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import make_response

OURS = "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1"
DEVICE = "SIP/2.0/UDP 192.168.1.5:5066;branch=z9hG4bK2"


def seen(*vias: str, remote: str = "10.0.0.9") -> Flow:
    message = request("INVITE", "201")
    message.headers.set("Via", ", ".join(vias))
    flow = Flow.udp(("10.0.0.1", 5060), (remote, 5060))
    return Proxies(Admission(100, ["10.0.0.8/31"]).trusts).flow(message, flow)


@pytest.mark.parametrize(
    ("vias", "source"),
    [
        ((OURS, f"{DEVICE};received=203.0.113.7;rport=4001"), ("203.0.113.7", 4001)),
        ((OURS, f"{DEVICE};received=203.0.113.7"), ("203.0.113.7", 5066)),
        ((OURS, DEVICE), ("192.168.1.5", 5066)),
        ((OURS, "SIP/2.0/TLS [2001:db8::7];branch=z9hG4bK2"), ("2001:db8::7", 5060)),
        (
            (OURS, "SIP/2.0/UDP 10.0.0.8;branch=z9hG4bK3", f"{DEVICE};received=203.0.113.7"),
            ("203.0.113.7", 5066),
        ),
        ((OURS, f"{DEVICE};received=203.0.113.7", "SIP/2.0/UDP 10.1.1.1"), ("203.0.113.7", 5066)),
        ((OURS,), None),
        ((OURS, "SIP/2.0/UDP phone.invalid;branch=z9hG4bK2"), None),
        ((OURS, f"{DEVICE};received=203.0.113.7;rport=99999999"), ("203.0.113.7", 5066)),
    ],
)
def test_the_first_address_below_the_proxies_is_the_sender(vias: tuple[str, ...], source: object) -> None:
    assert seen(*vias).source == source


def test_a_stranger_cannot_speak_for_another() -> None:
    assert seen(OURS, f"{DEVICE};received=203.0.113.7", remote="198.51.100.3").source is None


def test_responses_and_pages_come_as_they_are() -> None:
    proxies = Proxies(lambda host: True)
    message = request("INVITE", "201")
    flow = Flow.udp(("10.0.0.1", 5060), ("10.0.0.9", 5060))
    assert proxies.flow(make_response(message, 200), flow) is flow
    assert proxies.flow(message, page_flow("ws-1")).source is None
