"""Dialogs (RFC 3261 section 12) as values: every step gives a new one, and all of it goes through JSON."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from ucplatform.sip.errors import ParseError, UsageError
from ucplatform.sip.fields import RAck, reliable, rseq
from ucplatform.sip.headers import Headers, NameAddr
from ucplatform.sip.message import Request, Response
from ucplatform.sip.uri import Uri

DialogId = tuple[str, str, str]
"""Call-ID, our tag, their tag."""

EARLY = "early"
CONFIRMED = "confirmed"


def dialog_id(message: Request | Response, incoming: bool = True) -> DialogId:
    """The dialog a message belongs to. `incoming`: a peer sent it; False for one of ours.

    A request comes from the tag in From, a response goes back to it (section 12.2).
    """
    from_tag, to_tag = message.from_tag or "", message.to_tag or ""
    ours_is_to = incoming == isinstance(message, Request)
    local, remote = (to_tag, from_tag) if ours_is_to else (from_tag, to_tag)
    return message.call_id, local, remote


class Dialog(NamedTuple):
    """One end of a dialog.

    `local` and `remote` are From and To values without tag, `remote_target` is a URI, `route_set` holds whole
    Route values in sending order, `state` is 'early' or 'confirmed'.
    """

    call_id: str
    local_tag: str
    remote_tag: str
    local: str
    remote: str
    remote_target: str
    route_set: tuple[str, ...]
    local_cseq: int
    remote_cseq: int | None
    state: str

    @classmethod
    def from_request(cls, request: Request, local_tag: str) -> "Dialog":
        """The early dialog that our response with `local_tag` makes (12.1.1). ParseError 400: no Contact."""
        contact = request.contact
        if contact is None:
            raise ParseError("Missing Contact", 400)
        return cls(
            call_id=request.call_id,
            local_tag=local_tag,
            remote_tag=request.from_tag or "",
            local=str(request.to.without_param("tag")),
            remote=str(request.from_.without_param("tag")),
            remote_target=str(contact.uri),
            route_set=tuple(str(route) for route in request.record_routes),
            local_cseq=0,
            remote_cseq=request.cseq.number,
            state=EARLY,
        )

    @classmethod
    def from_response(cls, request: Request, response: Response) -> "Dialog":
        """The dialog a response to our request makes (12.1.2): early by 101-199, confirmed by a 2xx.

        A response without Contact (allowed in an unreliable 1xx) leaves the request's URI as the target.
        """
        contact = response.contact
        return cls(
            call_id=request.call_id,
            local_tag=request.from_tag or "",
            remote_tag=response.to_tag or "",
            local=str(request.from_.without_param("tag")),
            remote=str(request.to.without_param("tag")),
            remote_target=str(contact.uri if contact else request.uri),
            route_set=tuple(str(route) for route in reversed(response.record_routes)),
            local_cseq=request.cseq.number,
            remote_cseq=None,
            state=EARLY if response.status < 200 else CONFIRMED,
        )

    @property
    def id(self) -> DialogId:
        """Call-ID, our tag, their tag: a key for dictionaries, equal to `dialog_id` of its messages."""
        return self.call_id, self.local_tag, self.remote_tag

    def matches(self, message: Request | Response, incoming: bool = True) -> bool:
        """True when the message carries this Call-ID and both tags (12.2.2)."""
        return dialog_id(message, incoming) == self.id

    def confirmed(self, response: Response) -> "Dialog":
        """The dialog after its 2xx; one that we got gives route set and target anew (13.2.2.4)."""
        if self.matches(response, incoming=False):
            return self._replace(state=CONFIRMED)
        contact = response.contact
        return self._replace(
            state=CONFIRMED,
            remote_target=str(contact.uri) if contact else self.remote_target,
            route_set=tuple(str(route) for route in reversed(response.record_routes)),
        )

    def receive(self, request: Request) -> "Dialog":
        """The dialog after a request of the peer; ParseError 500 when it is older than the last (12.2.2)."""
        if request.method in ("ACK", "CANCEL"):
            return self
        number = request.cseq.number
        if self.remote_cseq is not None and number < self.remote_cseq:
            raise ParseError("CSeq Out Of Order", 500)
        return self._replace(remote_cseq=number)

    def refresh(self, message: Request | Response) -> "Dialog":
        """The dialog after a target refresh: the peer's re-INVITE or UPDATE, or its 2xx to ours (12.2)."""
        if isinstance(message, Response) and not 200 <= message.status < 300:
            return self
        contact = message.contact
        return self._replace(remote_target=str(contact.uri)) if contact else self

    def request(
        self,
        method: str,
        *,
        contact: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> tuple["Dialog", Request]:
        """The next request of ours (12.2.1.1), without Via. `contact` is a whole header value.

        Returns the dialog with the CSeq counted on; use that one from here.
        """
        number = self.local_cseq + 1
        request = self._build(method, number, contact, headers, body, content_type)
        return self._replace(local_cseq=number), request

    def ack(
        self,
        invite_cseq: int,
        *,
        contact: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> Request:
        """The ACK for a 2xx (13.2.2.4), with the INVITE's CSeq number; `headers`: its credentials, if any."""
        return self._build("ACK", invite_cseq, contact, headers, body, content_type)

    def prack(
        self,
        response: Response,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> tuple["Dialog", Request]:
        """The PRACK for a reliable response to our INVITE (RFC 3262 section 4), sent like any request.

        Returns the dialog with the CSeq counted on. UsageError for a response that wants none.
        """
        if not reliable(response):
            raise UsageError(f"{response.status} wants no PRACK")
        rack = RAck(rseq(response) or 0, response.cseq.number, response.cseq.method)
        lines = [("RAck", str(rack)), *headers]
        return self.request("PRACK", headers=lines, body=body, content_type=content_type)

    def _build(
        self,
        method: str,
        number: int,
        contact: str | None,
        extra: Iterable[tuple[str, str]],
        body: bytes,
        content_type: str | None,
    ) -> Request:
        uri, routes = self._way()
        lines = [("Route", route) for route in routes]
        lines += [
            ("Max-Forwards", "70"),
            ("From", _tagged(self.local, self.local_tag)),
            ("To", _tagged(self.remote, self.remote_tag)),
            ("Call-ID", self.call_id),
            ("CSeq", f"{number} {method}"),
        ]
        if contact is not None:
            lines.append(("Contact", contact))
        lines += extra
        if content_type is not None:
            lines.append(("Content-Type", content_type))
        return Request(method, uri, Headers(lines), body)

    def _way(self) -> tuple[Uri, tuple[str, ...]]:
        """Request-URI and Route values: loose routing, or strict when the first hop has no lr (12.2.1.1)."""
        target = Uri.parse(self.remote_target)
        if not self.route_set:
            return target, ()
        first = NameAddr.parse(self.route_set[0]).uri
        if first.has_param("lr"):
            return target, self.route_set
        # What a Request-URI may not carry goes; the target becomes the last hop.
        return first.without_param("method")._replace(headers=""), (
            *self.route_set[1:],
            f"<{self.remote_target}>",
        )

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values, for the snapshot of a call."""
        return {**self._asdict(), "route_set": list(self.route_set)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Dialog":
        """The dialog that `to_json` wrote."""
        return cls(**{**value, "route_set": tuple(value["route_set"])})


def _tagged(value: str, tag: str) -> str:
    # A peer of RFC 2543 has no tag (12.1.1): then none is written.
    return f"{value};tag={tag}" if tag else value
