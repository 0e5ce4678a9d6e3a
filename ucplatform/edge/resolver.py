"""Asks DNS what `sip.locate` wants to know (RFC 3263), and remembers the answers as long as they are good."""

import asyncio
import secrets
import time
from collections.abc import Callable

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver
from dns.message import Message

from ucplatform.edge import log
from ucplatform.sip.locate import TRANSPORTS, Naptr, Question, Srv, Target, locate, numeric
from ucplatform.sip.uri import Uri

#: Seconds. A TTL is believed between these, the absence of a name (RFC 2308) less long, and that a server
#: gave no answer only so long that not every call waits for it.
SHORTEST, LONGEST = 5.0, 3600.0
LONGEST_ABSENCE, USUAL_ABSENCE = 300.0, 30.0
NO_ANSWER = 3.0
#: one question, with all servers and repetitions; and one URI with all of its questions
QUESTION_SECONDS, LOCATE_SECONDS = 2.0, 5.0
#: how long a target that failed is tried last (RFC 3263 4.3)
FAILED_SECONDS = 30.0
#: how often the system's list of name servers is read anew: a machine may move to another network
SERVERS_SECONDS = 60.0
CACHE = 4096
AT_ONCE = 64
#: Records that are kept of one answer.
RECORDS = 64

Records = tuple[Naptr | Srv | str, ...]


class Resolver:
    """`locate(uri)` gives the targets of a URI; `failed(target)` puts one behind the others for a while.

    `families` are the kinds of address that we can reach: ("AAAA", "A"), or one of them. `nameservers`, where
    given, are asked at `port` in place of those of the system.
    """

    def __init__(
        self,
        families: tuple[str, ...] = ("AAAA", "A"),
        transports: tuple[str, ...] = TRANSPORTS,
        *,
        nameservers: list[str] | None = None,
        port: int = 53,
        pick: Callable[[int], int] = secrets.randbelow,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._families = families
        self._transports = transports
        self._nameservers = nameservers
        self._port = port
        self._pick = pick
        self._clock = clock
        self._dns: dns.asyncresolver.Resolver | None = None
        self._read_at = 0.0
        self._known: dict[Question, tuple[float, Records]] = {}
        self._asking: dict[Question, asyncio.Task[Records]] = {}
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._failed: dict[tuple[str, object], float] = {}

    async def locate(self, uri: Uri, transport: str | None = None) -> list[Target]:
        """The targets of `uri`, best first; none when nothing leads there. `transport` stands for its own."""
        found = numeric(uri, transport)
        if found is not None:
            return [found]
        search = locate(uri, transport, transports=self._transports, families=self._families, pick=self._pick)
        try:
            async with asyncio.timeout(LOCATE_SECONDS):
                questions = next(search)
                while True:
                    answers = await asyncio.gather(*map(self.ask, questions))
                    questions = search.send(list(answers))
        except StopIteration as end:
            return self._sound_first(end.value)
        except TimeoutError:
            log.warning("name-not-found-in-time", name=uri.host)
            return []

    def failed(self, target: Target) -> None:
        """It gave no answer, 503 or an ICMP error: the others first, for a while."""
        now = self._clock()
        if len(self._failed) >= CACHE:
            self._failed = {key: until for key, until in self._failed.items() if until > now}
        self._failed[target.transport, target.address] = now + FAILED_SECONDS

    def _sound_first(self, targets: list[Target]) -> list[Target]:
        if not self._failed:
            return targets
        now = self._clock()
        return sorted(targets, key=lambda t: self._failed.get((t.transport, t.address), 0.0) > now)

    async def ask(self, question: Question) -> Records:
        """The records of one name; none where it has none, or where nobody would say."""
        known = self._known.get(question)
        if known is not None and known[0] > self._clock():
            return known[1]
        task = self._asking.get(question)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(question))
            self._asking[question] = task
            task.add_done_callback(lambda done: self._asking.pop(question, None))
        return await asyncio.shield(task)

    async def _ask(self, question: Question) -> Records:
        if question.name == "localhost" or question.name.endswith(".localhost"):
            return {"A": ("127.0.0.1",), "AAAA": ("::1",)}.get(question.kind, ())  # RFC 6761 6.3
        async with self._gate:
            records, seconds = await self._query(question)
        if len(self._known) >= CACHE:
            self._make_room()
        self._known[question] = (self._clock() + seconds, records)
        return records

    async def _query(self, question: Question) -> tuple[Records, float]:
        """The records and how long they may be kept."""
        try:
            answer = await self._resolver().resolve(
                question.name, question.kind, raise_on_no_answer=False, search=False
            )
        except dns.resolver.NXDOMAIN as error:
            return (), _absence(*error.responses().values())
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            log.warning("dns-no-answer", name=question.name, kind=question.kind, error=type(error).__name__)
            return (), NO_ANSWER
        if answer.rrset is None:
            return (), _absence(answer.response)
        records = tuple(_read(item) for item in list(answer.rrset)[:RECORDS])
        # Not the set's own: a chain of names is good as long as its shortest link.
        return records, min(max(answer.chaining_result.minimum_ttl, SHORTEST), LONGEST)

    def _resolver(self) -> dns.asyncresolver.Resolver:
        if self._dns is None or self._clock() - self._read_at > SERVERS_SECONDS:
            self._read_at = self._clock()
            resolver = dns.asyncresolver.Resolver(configure=self._nameservers is None)
            if self._nameservers is not None:
                resolver.nameservers = self._nameservers
                resolver.port = self._port
            resolver.timeout, resolver.lifetime = QUESTION_SECONDS / 2, QUESTION_SECONDS
            resolver.use_edns(0, 0, 1232)
            self._dns = resolver
        return self._dns

    def _make_room(self) -> None:
        now = self._clock()
        self._known = {question: kept for question, kept in self._known.items() if kept[0] > now}
        for question in list(self._known)[: max(0, len(self._known) - CACHE // 2)]:
            del self._known[question]

    async def close(self) -> None:
        """Ask nothing more."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _absence(*responses: Message) -> float:
    """How long a name may be taken for absent: what the zone says (RFC 2308 section 5), within bounds."""
    found = [
        min(rrset.ttl, rrset[0].minimum)
        for response in responses
        for rrset in response.authority
        if rrset.rdtype == dns.rdatatype.SOA
    ]
    return min(max(min(found, default=USUAL_ABSENCE), SHORTEST), LONGEST_ABSENCE)


def _read(item: dns.rdata.Rdata) -> Naptr | Srv | str:
    match item.rdtype:
        case dns.rdatatype.NAPTR:
            return Naptr(
                item.order,
                item.preference,
                item.flags.decode("latin-1"),
                item.service.decode("latin-1"),
                item.regexp.decode("latin-1"),
                _text(item.replacement),
            )
        case dns.rdatatype.SRV:
            return Srv(item.priority, item.weight, item.port, _text(item.target))
        case _:
            return str(item.address)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).rstrip(".").lower()
