"""Flows: of another edge, and through a proxy in front."""

from ucplatform.pbx.ports import flow_from_json, flow_to_json
from ucplatform.sip.flow import Flow

UDP = Flow.udp(("192.0.2.1", 5060), ("192.0.2.9", 5060))
WS = Flow("ws-5f-1", "wss", ("192.0.2.1", 8443), ("198.51.100.7", 0))


def test_a_flow_of_another_edge_has_its_name_before_the_id() -> None:
    there = WS.seen_at("2")
    assert (there.id, there.edge, there.transport) == ("2/ws-5f-1", "2", "wss")
    assert there.as_own() == WS and WS.as_own() is WS


def test_a_datagrams_way_back_by_another_port_stays_the_other_edges() -> None:
    moved = UDP.seen_at("2").with_remote(("192.0.2.9", 5070))
    assert moved.edge == "2" and moved.as_own() == UDP.with_remote(("192.0.2.9", 5070))


def test_behind_a_proxy_each_source_of_datagrams_is_a_flow_and_a_connection_stays_one() -> None:
    tcp = Flow("tcp-5f-1", "tcp", ("192.0.2.1", 5060), ("192.0.2.9", 40000))
    one, two = (UDP.sent_by(("10.0.0.5", port)) for port in (5060, 5062))
    assert one.id != two.id and one.remote == two.remote == UDP.remote
    assert tcp.sent_by(("10.0.0.5", 5060)).id == tcp.id
    assert (one.peer, UDP.peer) == (("10.0.0.5", 5060), UDP.remote)


def test_flows_survive_json() -> None:
    for flow in (UDP, WS.seen_at("2"), UDP.sent_by(("10.0.0.5", 5060)).seen_at("2")):
        assert flow_from_json(flow_to_json(flow)) == flow
