"""rtpengine's NG control protocol, sans-I/O: messages in bencode and JSON, stream framing, cookies."""

from ucplatform.ng.bencode import Value
from ucplatform.ng.cookies import PENDING, CookieCache
from ucplatform.ng.errors import NgError
from ucplatform.ng.framing import StreamFramer
from ucplatform.ng.message import Form, cookie_of, decode, encode, form_of, number

__all__ = [
    "PENDING",
    "CookieCache",
    "Form",
    "NgError",
    "StreamFramer",
    "Value",
    "cookie_of",
    "decode",
    "encode",
    "form_of",
    "number",
]
