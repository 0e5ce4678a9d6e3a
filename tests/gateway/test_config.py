"""Settings: what they mean, and what is said when they are wrong."""

import ipaddress

import pytest

from gateway.config import Config, ConfigError, Interface, machine_interfaces


def test_defaults() -> None:
    config = Config.from_environment({})
    assert (config.ng_host, config.ng_port) == ("127.0.0.1", 2223)
    assert (config.first_port, config.last_port) == (20000, 20999)
    assert config.interfaces == machine_interfaces()
    assert config.interfaces[-1] == Interface("loop", "127.0.0.1", "127.0.0.1")
    assert config.peers == ()


def test_everything_given() -> None:
    config = Config.from_environment(
        {
            "UC_GATEWAY_NG": "[::1]:9",
            "UC_RTP_PORTS": "30000-30009",
            "UC_MEDIA_ADDRESSES": "wan=10.0.0.5!203.0.113.9, loop=127.0.0.1",
            "UC_GATEWAY_PEERS": "192.0.2.1, 10.1.0.0/16",
        }
    )
    assert (config.ng_host, config.ng_port) == ("::1", 9)
    assert (config.first_port, config.last_port) == (30000, 30009)
    wan, loop = config.interfaces
    assert wan == Interface("wan", "10.0.0.5", "203.0.113.9") and not wan.loopback and loop.loopback
    assert ipaddress.ip_address("10.1.2.3") in config.peers[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UC_GATEWAY_NG", "nowhere"),
        ("UC_GATEWAY_NG", "127.0.0.1:99999"),
        ("UC_RTP_PORTS", "9-5"),
        ("UC_RTP_PORTS", "20000"),
        ("UC_RTP_PORTS", "80-90"),
        ("UC_MEDIA_ADDRESSES", "lan=here"),
        ("UC_MEDIA_ADDRESSES", "127.0.0.1"),
        ("UC_MEDIA_ADDRESSES", "lan=10.0.0.1!there"),
        ("UC_GATEWAY_PEERS", "everybody"),
        ("UC_RTP_DSCP", "EF"),
        ("UC_RTP_DSCP", "64"),
    ],
)
def test_wrong_settings_are_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Config.from_environment({name: value})
