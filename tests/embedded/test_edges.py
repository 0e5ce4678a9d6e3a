"""Several edges on one machine: what each is called and where it listens."""

from types import SimpleNamespace
from typing import Any

import pytest

from ucplatform import settings as real
from ucplatform.embedded import edges, roles
from ucplatform.embedded.address import AddressError


def settings(**more: Any) -> SimpleNamespace:
    names = {name: getattr(real, name) for name in dir(real) if name.isupper()}
    return SimpleNamespace(**{**names, "UC_SIP_UDP": "0.0.0.0:5060,[::]:5060", **more})


@pytest.mark.parametrize(
    ("text", "place", "found"),
    [
        ("0.0.0.0:5060", 0, "0.0.0.0:5060"),
        ("0.0.0.0:5060", 1, "0.0.0.0:5070"),
        ("0.0.0.0:5060, [::]:5060", 2, "0.0.0.0:5080,[::]:5080"),
        ("unix:/data/run/edge.sock", 0, "unix:/data/run/edge.sock"),
        ("unix:/data/run/edge.sock", 1, "unix:/data/run/edge-2.sock"),
    ],
)
def test_ports_of_further_edges_are_ten_higher(text: str, place: int, found: str) -> None:
    assert edges.numbered(text, place) == found


def test_a_port_that_cannot_be_is_named() -> None:
    with pytest.raises(AddressError, match=r"65530.*10 higher"):
        edges.numbered("0.0.0.0:65530", 1)


def test_ids_follow_the_first() -> None:
    assert edges.ids(settings(UC_EDGE_ID="a")) == ["a"]
    assert edges.ids(settings(UC_EDGE_ID="3", UC_EDGES=2)) == ["3", "4"]
    with pytest.raises(AddressError, match="UC_EDGE_ID"):
        edges.ids(settings(UC_EDGE_ID="a", UC_EDGES=2))


def test_each_edge_is_a_role_with_addresses_and_a_link_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UC_EDGE_LINK", "10.0.0.5:5090")
    house = settings(UC_EDGES=2)
    one, two = (roles.edge_role(house, place) for place in range(2))
    assert (one.name, two.name) == ("edge-1", "edge-2")
    assert [str(port.address) for port in two.ports if port.kind == "udp"] == ["0.0.0.0:5070", "[::]:5070"]
    assert {name: two.environment[name] for name in ("UC_EDGE_ID", "UC_EDGE_LINK", "UC_EDGES")} == {
        "UC_EDGE_ID": "2",
        "UC_EDGE_LINK": "10.0.0.5:5100",
        "UC_EDGES": "1",
    }
    assert one.gone != two.gone
    plan = roles.plan(house)
    assert [role.name for role in plan.only(["edge"]).roles] == ["edge-1", "edge-2"]
    front = (house.UC_DATA_DIR / "run" / "Caddyfile").read_text()
    assert "edge.sock unix//" in front and "lb_policy header Cookie" in front
