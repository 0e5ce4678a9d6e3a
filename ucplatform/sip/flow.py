"""The path a message travels: a pair of UDP addresses, a connection, a WebSocket (RFC 5626 section 2)."""

from typing import NamedTuple

Address = tuple[str, int]

RELIABLE = frozenset({"tcp", "tls", "ws", "wss"})
SECURE = frozenset({"tls", "wss"})


def hostport(address: Address) -> str:
    """`host:port` as it stands in a header, an IPv6 host in brackets and without its interface (RFC 6874)."""
    host, port = address
    if ":" in host and not host.startswith("["):
        host = f"[{host.partition('%')[0]}]"
    return f"{host}:{port}"


class Flow(NamedTuple):
    """Where a message came from, and the way back.

    `id` is unique in the life of an edge; `transport` is one of udp tcp tls ws wss; `local` is the address
    the peer sees us at, `remote` is the peer's: numeric addresses with a port. `edge` names the edge that
    holds it when that is another one ("<edge>/" begins the id then). `source` is who sent what came, where
    `remote` is a proxy in front that is trusted to say so.
    """

    id: str
    transport: str
    local: Address
    remote: Address
    edge: str = ""
    source: Address | None = None

    @classmethod
    def udp(cls, local: Address, remote: Address) -> "Flow":
        """The flow between two UDP addresses; the same addresses always give an equal flow."""
        return cls(f"udp/{hostport(remote)}/{hostport(local)}", "udp", local, remote)

    @property
    def peer(self) -> Address:
        """Who is at the other end: the sender, not the proxy that passed it on."""
        return self.source or self.remote

    def seen_at(self, edge: str) -> "Flow":
        """This flow of `edge` as the other edges name it."""
        return self._replace(id=f"{edge}/{self.id}", edge=edge)

    def as_own(self) -> "Flow":
        """A flow of another edge as that edge itself knows it."""
        return self._replace(id=self.id.removeprefix(f"{self.edge}/"), edge="") if self.edge else self

    def sent_by(self, source: Address) -> "Flow":
        """The way to `source` through the proxy at `remote`; datagrams have no connection to be told apart
        by, so each source has an id of its own."""
        name = self.id if self.reliable else f"{self.id}/{hostport(source)}"
        return self._replace(id=name, source=source)

    @property
    def reliable(self) -> bool:
        """True when the transport retransmits by itself (RFC 3261 section 17)."""
        return self.transport != "udp"

    @property
    def secure(self) -> bool:
        """True when nobody on the way can read it."""
        return self.transport in SECURE

    @property
    def websocket(self) -> bool:
        """True on a flow the peer opened and only the peer can open again (RFC 7118)."""
        return self.transport in ("ws", "wss")

    def with_remote(self, remote: Address) -> "Flow":
        """The UDP flow from the same local address to another port or address of the peer."""
        flow = Flow.udp(self.local, remote)
        if self.source is not None:
            flow = flow.sent_by(self.source)
        return flow.seen_at(self.edge) if self.edge else flow
