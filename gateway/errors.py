"""What goes wrong in the gateway: every one of these becomes an NG `error-reason`, none ends the process."""


class GatewayError(Exception):
    """A command cannot be done; `str()` is the reason given to whoever asked."""


class PortsExhausted(GatewayError):
    """`UC_RTP_PORTS` is used up."""

    def __init__(self) -> None:
        super().__init__("no free media ports")


class PacketError(Exception):
    """A peer sent a packet that is not what it claims to be; it is counted and dropped."""
