"""The SRTP termination of a telephone: RTP and RTCP on a port pair, keyed by the descriptions (RFC 4568)."""

from typing import ClassVar

from pylibsrtp import Error as SrtpError

from gateway.carrier import Guard, UdpPort
from gateway.config import Interface
from gateway.description import SRTP, Address, Description
from gateway.plain import RtpTermination
from gateway.srtp import Keys
from gateway.termination import Services, Statistics


class SdesTermination(RtpTermination):
    """As plain RTP, but nothing is heard or said in the clear: not before the keys are agreed either."""

    kind: ClassVar[str] = SRTP
    guard: ClassVar[Guard] = Guard.SDES

    def __init__(self, call_id: str, leg_id: str, interface: Interface, services: Services) -> None:
        super().__init__(call_id, leg_id, interface, services)
        self.keys = Keys()

    @property
    def ready(self) -> bool:
        return super().ready and self.keys.suite is not None

    async def apply(self, local: Description, remote: Description) -> None:
        if self.keys.agree(local.crypto, remote.crypto):
            self.carrier.secure_with(*self.keys.sound)
        await super().apply(local, remote)

    def _on_rtcp(self, port: UdpPort, data: bytes, address: Address) -> None:
        receiving, _ = self.keys.control
        try:
            clear = receiving.unprotect_rtcp(data) if receiving is not None else None
        except (SrtpError, ValueError):  # forged, replayed, or longer than libsrtp's buffer
            clear = None
        if clear is None:
            self.discarded += 1
        else:
            super()._on_rtcp(port, clear, address)

    def send_rtcp(self, data: bytes) -> None:
        _, sending = self.keys.control
        if sending is not None:
            super().send_rtcp(sending.protect_rtcp(data))

    def transport_statistics(self) -> Statistics:
        return {**super().transport_statistics(), **({"srtp": self.keys.suite} if self.keys.suite else {})}
