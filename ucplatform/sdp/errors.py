"""Errors of the SDP reader."""


class SdpError(Exception):
    """What the peer sent is not SDP, or more of it than we take. The caller answers 488 or 400."""
