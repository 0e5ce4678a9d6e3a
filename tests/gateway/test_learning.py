"""The rules of PeerLock, one by one."""

from gateway.learning import NEEDED, PeerLock

ANNOUNCED, OTHER, THIRD = ("192.0.2.1", 4000), ("198.51.100.1", 5000), ("203.0.113.1", 6000)


def lock() -> PeerLock:
    made = PeerLock()
    made.announce(ANNOUNCED)
    return made


def test_the_announced_address_is_believed_at_once() -> None:
    peer = lock()
    assert peer.send_to == ANNOUNCED and peer.locked is None
    assert peer.packet(ANNOUNCED, 1, 1)
    assert peer.locked == ANNOUNCED
    assert not any(peer.packet(OTHER, 1, sequence) for sequence in range(10))


def test_another_needs_packets_that_continue_each_other() -> None:
    peer = lock()
    assert [peer.packet(OTHER, 1, sequence) for sequence in range(NEEDED)] == [False] * (NEEDED - 1) + [True]
    assert peer.send_to == OTHER
    for odd in ([5, 900, 1800, 2700], [5, 5, 5, 5], [9, 8, 7, 6]):
        peer = lock()
        assert not any(peer.packet(OTHER, 1, sequence) for sequence in odd)
    peer = lock()
    assert not any(peer.packet(OTHER, ssrc, ssrc) for ssrc in range(10))
    peer = lock()
    assert [peer.packet(OTHER, 1, sequence & 0xFFFF) for sequence in (65534, 65535, 65536)][-1]


def test_strangers_between_them_do_not_hinder() -> None:
    peer = lock()
    found = []
    for sequence in range(NEEDED):
        found.append(peer.packet(OTHER, 1, sequence))
        assert not peer.packet(THIRD, sequence, 7)
    assert found[-1]


def test_the_announced_address_wins_even_later() -> None:
    peer = lock()
    for sequence in range(NEEDED):
        peer.packet(OTHER, 1, sequence)
    assert peer.packet(ANNOUNCED, 2, 1) and peer.send_to == ANNOUNCED


def test_a_new_announcement_opens_the_lock_and_the_same_one_does_not() -> None:
    peer = lock()
    for sequence in range(NEEDED):
        peer.packet(OTHER, 1, sequence)
    peer.announce(ANNOUNCED)
    peer.announce(None)  # on hold
    assert peer.send_to == OTHER
    peer.announce(THIRD)
    assert peer.send_to == THIRD and peer.locked is None


def test_hosts_bound_what_can_be_learned() -> None:
    peer = PeerLock()
    peer.announce(ANNOUNCED, ["192.0.2.1", "203.0.113.1"])
    assert not any(peer.packet(OTHER, 1, sequence) for sequence in range(10))
    assert any(peer.packet(THIRD, 1, sequence) for sequence in range(NEEDED))


def test_suspects_are_bounded() -> None:
    peer = lock()
    for host in range(100):
        assert not peer.packet((f"198.51.100.{host}", 1), 1, 1)
    assert len(peer._suspects) <= 8
