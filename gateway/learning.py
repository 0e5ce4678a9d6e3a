"""Where an RTP peer really is: learned within its first packets, then locked (SECURITY: rtpbleed)."""

from collections.abc import Collection

Address = tuple[str, int]

NEEDED = 3  # consecutive packets of one stream before an address that nobody announced is believed
MAX_STEP = 16  # sequence numbers between two of them
MAX_SUSPECTS = 8


class PeerLock:
    """The address of one peer. `send_to` is where our packets go: learned, else announced, else nowhere.

    An announced address is believed at its first packet, even after another was learned: it came with the
    signalling, which was authenticated. Any other is believed only while nothing is locked, only after
    `NEEDED` packets that continue each other, and only from `hosts` when signalling named some.
    """

    def __init__(self) -> None:
        self.announced: Address | None = None
        self.locked: Address | None = None
        self._hosts: frozenset[str] = frozenset()
        self._suspects: dict[Address, tuple[int, int, int]] = {}

    @property
    def send_to(self) -> Address | None:
        return self.locked or self.announced

    def announce(self, address: Address | None, hosts: Collection[str] = ()) -> None:
        """Signalling says where the peer is. The lock opens only when it says something new."""
        self._hosts = frozenset(hosts)
        if address is None or address == self.announced:
            return  # on hold by 0.0.0.0 the peer stays where it is
        self.announced = address
        self.locked = None
        self._suspects.clear()

    def packet(self, address: Address, ssrc: int, sequence: int) -> bool:
        """A valid RTP packet from an address that is not the locked one; True when it is from now on."""
        if address == self.announced:
            self._lock(address)
            return True
        if self.locked is not None or (self._hosts and address[0] not in self._hosts):
            return False
        known_ssrc, last, count = self._suspects.get(address, (ssrc, sequence - 1, 0))
        if known_ssrc != ssrc or not 0 < (sequence - last) & 0xFFFF <= MAX_STEP:
            count = 0
        count += 1
        if count >= NEEDED:
            self._lock(address)
            return True
        if address in self._suspects or len(self._suspects) < MAX_SUSPECTS:
            self._suspects[address] = (ssrc, sequence, count)
        return False

    def _lock(self, address: Address) -> None:
        self.locked = address
        self._suspects.clear()
