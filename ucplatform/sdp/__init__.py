"""SDP, sans-I/O and lossless by line (RFC 8866): what is not touched is written back byte for byte."""

from ucplatform.sdp import build
from ucplatform.sdp.candidate import Candidate
from ucplatform.sdp.codec import STATIC, Codec
from ucplatform.sdp.crypto import PROTOCOLS as KEYED_PROTOCOLS
from ucplatform.sdp.crypto import SUITES, Crypto, cryptos_of
from ucplatform.sdp.errors import SdpError
from ucplatform.sdp.line import Line
from ucplatform.sdp.media import Media, MediaLine
from ucplatform.sdp.origin import Connection, Origin
from ucplatform.sdp.section import DIRECTIONS
from ucplatform.sdp.security import (
    Fingerprint,
    IceCredentials,
    RtcpAddress,
    fingerprints_of,
    ice_of,
    setup_of,
)
from ucplatform.sdp.session import Session, parse
from ucplatform.sdp.text import is_empty, is_hold, media_directions, with_origin, without_origin

__all__ = [
    "DIRECTIONS",
    "KEYED_PROTOCOLS",
    "STATIC",
    "SUITES",
    "Candidate",
    "Codec",
    "Connection",
    "Crypto",
    "Fingerprint",
    "IceCredentials",
    "Line",
    "Media",
    "MediaLine",
    "Origin",
    "RtcpAddress",
    "SdpError",
    "Session",
    "build",
    "cryptos_of",
    "fingerprints_of",
    "ice_of",
    "is_empty",
    "is_hold",
    "media_directions",
    "parse",
    "setup_of",
    "with_origin",
    "without_origin",
]
