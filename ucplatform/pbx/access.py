"""Who is asking: digest authentication of requests (RFC 3261 22, RFC 7616, RFC 8760) and the identity
they may claim."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from ucplatform.pbx.ports import Account, Directory
from ucplatform.sip.digest import (
    ALGORITHMS,
    SESSION,
    Challenge,
    Credentials,
    NonceIssuer,
    Verdict,
    find_credentials,
    ha1,
    verify,
)
from ucplatform.sip.errors import ParseError
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import Request, Response, make_response

#: A page's digest user name, as the web issues it: w!<number>!<expiry>!<session>!<nonce>.
PAGE_PREFIX = "w!"


@dataclass(frozen=True, slots=True)
class Granted:
    """`session` names the web session of a page's credential, "" for a device with the extension's own
    secret."""

    account: Account
    session: str = ""


@dataclass(frozen=True, slots=True)
class Denied:
    """The answer, and why in one word for the log; None for the first challenge, which is no event.

    `guess`: a wrong secret in answer to a challenge of ours to that very address, as who guesses must give.
    """

    response: Response
    why: str | None
    username: str = ""
    guess: bool = False


@dataclass(frozen=True, slots=True)
class _Secret:
    """What a user name stands for while one request is checked."""

    account: Account | None
    md5: str
    sha256: str
    sha512_256: str = ""
    session: str = ""

    def hash_for(self, algorithm: str) -> str:
        """The secret's hash for an algorithm of credentials, which is upper case; "" for none of ours."""
        match algorithm.removesuffix(SESSION):
            case "MD5":
                return self.md5
            case "SHA-256":
                return self.sha256
            case "SHA-512-256":
                return self.sha512_256
        return ""


class Gatekeeper:
    """Challenges and checks. Holds nonces, and which flow each page's credential is bound to.

    `page_password(username)` gives the password of a page's credential, None once it has expired or is
    malformed.
    """

    def __init__(
        self,
        realm: str,
        nonces: NonceIssuer,
        directory: Directory,
        page_password: Callable[[str], str | None],
    ) -> None:
        self._realm = realm
        self._nonces = nonces
        self._directory = directory
        self._page_password = page_password
        #: the flow that a page's credential is bound to, and what it proves; None where another edge knows
        self._pages: dict[str, tuple[str, _Secret | None]] = {}
        self._pages_by_flow: dict[str, set[str]] = {}
        #: told of each credential that is bound here: (user name, flow)
        self.on_bound: Callable[[str, Flow], None] = lambda username, flow: None
        self.offer_sha256 = False
        # Unknown names are checked against this one, so that they take as long to refuse as known ones. So
        # are those that no telephone may use: their empty hash would be a secret that everybody knows.
        nobody = hashlib.sha256(os.urandom(32)).hexdigest()
        self._nobody = _Secret(None, nobody[:32], nobody, nobody)

    def check(self, request: Request, flow: Flow, now: float, peer: str = "") -> Granted | Denied:
        """Whose request this is. `now` is Unix seconds (nonces carry it); `peer` names the address that a
        nonce must have been given to, the flow's where it is left out."""
        peer = peer or flow.remote[0]
        try:
            credentials = self._credentials(request)
        except ParseError as error:
            return Denied(make_response(request, 400, error.reason), "malformed-credentials")
        if credentials is None:
            return Denied(self._challenge(request, now, peer, flow), None)
        # Before the secret: guesses that answer no challenge of ours must not be told from good answers.
        if self._nonces.judge(credentials.nonce, now, peer) is not Verdict.GOOD:
            return Denied(self._challenge(request, now, peer, flow, stale=True), None, credentials.username)
        secret = self._secret(credentials.username, flow)
        # An empty hash would be a secret that everybody knows.
        expected = secret.hash_for(credentials.algorithm) or self._nobody.sha256
        good = verify(credentials, request.method, expected, request.body)
        if not good or secret.account is None or not secret.account.enabled:
            # A page's password cannot be guessed; one that comes late is no attack.
            guess = not credentials.username.startswith(PAGE_PREFIX)
            return Denied(make_response(request, 403), "wrong-credentials", credentials.username, guess)
        # Only now: this uses up the nonce's count, which a stranger must not be able to do.
        if self._nonces.use(credentials.nonce, credentials.nc, now) is not Verdict.GOOD:
            return Denied(self._challenge(request, now, peer, flow, stale=True), None, credentials.username)
        if secret.session:
            known = self._pages.get(credentials.username)
            self._bind(credentials.username, flow.id, secret)
            if known is None:
                self.on_bound(credentials.username, flow)
        if request.from_.uri.username != secret.account.number:
            return Denied(
                make_response(request, 403, "From Is Not Yours"), "foreign-from", credentials.username
            )
        return Granted(secret.account, secret.session)

    def claims(self, request: Request) -> str:
        """Who the sender of a validated request says to be, by its credentials or else by its From."""
        try:
            credentials = self._credentials(request)
        except ParseError:
            credentials = None
        return credentials.username if credentials is not None else request.from_.uri.username

    def is_answer(self, request: Request, peer: str, now: float) -> bool:
        """Whether its credentials carry a nonce that was given to `peer`, be it an old one."""
        try:
            credentials = self._credentials(request)
        except ParseError:
            return False
        if credentials is None:
            return False
        return self._nonces.judge(credentials.nonce, now, peer) is not Verdict.FORGED

    def flow_lost(self, flow_id: str) -> None:
        """A page's credential ends with its flow."""
        for username in self._pages_by_flow.pop(flow_id, ()):
            del self._pages[username]

    def edge_lost(self, edge: str) -> None:
        """Another edge is gone, and all flows with it."""
        for flow_id in [flow_id for flow_id in self._pages_by_flow if flow_id.startswith(f"{edge}/")]:
            self.flow_lost(flow_id)

    def bound_elsewhere(self, username: str, flow_id: str) -> None:
        """Another edge has bound a page's credential: nobody else may use it here."""
        if username not in self._pages:
            self._bind(username, flow_id, None)

    def pages(self) -> list[tuple[str, str]]:
        """The credentials that are bound by us: user name and flow."""
        return [(name, flow) for name, (flow, secret) in self._pages.items() if secret is not None]

    def _bind(self, username: str, flow_id: str, secret: _Secret | None) -> None:
        self._pages[username] = (flow_id, secret)
        self._pages_by_flow.setdefault(flow_id, set()).add(username)

    def flows_of(self, session: str) -> set[str]:
        """The flows that a web session's credentials are bound to."""
        pages = self._pages.values()
        return {flow for flow, secret in pages if secret is not None and secret.session == session}

    def _credentials(self, request: Request) -> Credentials | None:
        """The credentials for our realm; anything else counts as none (RFC 3261 22.3, RFC 4475 3.3.7)."""
        for name in ("Authorization", "Proxy-Authorization"):
            credentials = find_credentials(request.headers, name, self._realm)
            if credentials is not None:
                return credentials
        return None

    def _secret(self, username: str, flow: Flow) -> _Secret:
        if not username.startswith(PAGE_PREFIX):
            account = self._directory.by_number(username)
            if account is None or not account.ha1_md5 or not account.ha1_sha256:
                return self._nobody
            return _Secret(account, account.ha1_md5, account.ha1_sha256, account.ha1_sha512_256)
        parts = username.split("!")
        account = self._directory.by_number(parts[1]) if len(parts) == 5 else None
        bound = self._pages.get(username)
        if bound is not None and bound[0] != flow.id:
            return self._nobody
        if bound is not None and bound[1] is not None:
            # The account as it is now: it may have been disabled since the page came.
            return replace(bound[1], account=account)
        # Bound to a connection, so that signing out can end it: a datagram has none.
        password = self._page_password(username) if flow.websocket else None
        if password is None:
            return self._nobody
        # For a number that nobody has too: that must take as long.
        hashes = {algorithm: ha1(username, self._realm, password, algorithm) for algorithm in ALGORITHMS}
        return _Secret(
            account, hashes["MD5"], hashes["SHA-256"], hashes.get("SHA-512-256", ""), session=parts[3]
        )

    def _challenge(
        self, request: Request, now: float, peer: str, flow: Flow, *, stale: bool = False
    ) -> Response:
        """401 with one challenge an algorithm, MD5 first. Browsers get MD5 alone: JsSIP reads only the last
        of several and knows no other. Telephones get the others too where an administrator says so: some
        (libre before 2.0) give up when any challenge is not MD5, against RFC 8760 2.4. Whoever answers with
        one of them unasked is checked by it all the same."""
        nonce = self._nonces.issue(now, peer)
        offered = ALGORITHMS if self.offer_sha256 and not flow.websocket else ("MD5",)
        headers = [
            ("WWW-Authenticate", str(Challenge(self._realm, nonce, algorithm, "auth", stale)))
            for algorithm in offered
        ]
        return make_response(request, 401, headers=headers)
