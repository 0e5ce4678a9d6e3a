"""The SIP endpoint: transactions of one edge, and the duties of RFC 3261 that need no knowledge of calls."""

import random

from .commands import Command, Context, Key
from .flow import Flow
from .message import Request, Response
from .timers import Timing


class Endpoint:
    """All transactions of one edge. Every method returns the commands to carry out; `now` is monotonic seconds."""

    def __init__(self, edge_id: str, *, timing: Timing = Timing(), rng: random.Random | None = None,
                 limit: int = 65536) -> None:
        raise NotImplementedError

    def receive(self, data: bytes, flow: Flow, now: float) -> list[Command]:
        """One datagram, WebSocket message or framed stream message. Never raises on what a peer sent."""
        raise NotImplementedError

    def deliver(self, message: Request | Response, flow: Flow, now: float) -> list[Command]:
        """A message that is already parsed and validated (for a shell that traces by Call-ID)."""
        raise NotImplementedError

    def request(self, request: Request, flow: Flow, now: float, *, context: Context,
                ttl: float | None = None) -> tuple[Key, list[Command]]:
        """Start a client transaction (not for ACK and CANCEL). The endpoint adds Via and owns `request` from here on.

        `ttl`: seconds to wait for the first response to an INVITE or the final one of any other, instead of 64*T1.
        """
        raise NotImplementedError

    def respond(self, key: Key, response: Response, now: float) -> list[Command]:
        """Answer a request; nothing happens when its transaction is over."""
        raise NotImplementedError

    def cancel(self, key: Key, now: float) -> list[Command]:
        """Cancel our INVITE, as soon as a provisional response allows it (section 9.1)."""
        raise NotImplementedError

    def acknowledge(self, ack: Request, flow: Flow, now: float) -> list[Command]:
        """Send the ACK for a 2xx, and again each time that 2xx comes again (section 13.2.2.4)."""
        raise NotImplementedError

    def stray(self, request: Request, flow: Flow, status: int = 481) -> list[Command]:
        """Answer a request without a transaction; an ACK gets none."""
        raise NotImplementedError

    def send_stateless(self, response: Response, flow: Flow) -> list[Command]:
        """Send a response without a transaction, by the way the request on `flow` came."""
        raise NotImplementedError

    def fire(self, timer_key: Key, now: float) -> list[Command]:
        """A timer is due."""
        raise NotImplementedError

    def flow_lost(self, flow_id: str, now: float) -> list[Command]:
        """The flow is gone: client transactions fail with 503, server transactions end."""
        raise NotImplementedError
