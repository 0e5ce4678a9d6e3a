"""A DNS server for the tests of names: a zone in memory, UDP on a free port of 127.0.0.1."""

import asyncio

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

SOA = "ns.test. admin.test. 1 3600 600 86400 60"


class DnsServer(asyncio.DatagramProtocol):
    """`zone` maps (name, kind) to record texts; `ttl` is theirs; `mute` lets questions go unanswered."""

    def __init__(self, zone: dict[tuple[str, str], list[str]]) -> None:
        self.zone = zone
        self.ttl = 60
        self.mute = False
        self.rcode: int | None = None
        self.asked: list[tuple[str, str]] = []
        self.port = 0

    async def start(self) -> "DnsServer":
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    def close(self) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if self.mute:
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA | dns.flags.RA
        if self.rcode is not None:
            response.set_rcode(self.rcode)
        else:
            self._fill(response, name, kind)
        self._transport.sendto(response.to_wire(max_size=65535), addr)

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        alias = self.zone.get((name, "CNAME"))
        if alias and kind != "CNAME":
            response.answer.append(dns.rrset.from_text(name + ".", self.ttl, "IN", "CNAME", alias[0]))
            name = alias[0].rstrip(".")
        found = self.zone.get((name, kind))
        if found:
            response.answer.append(dns.rrset.from_text(name + ".", self.ttl, "IN", kind, *found))
            return
        if not any(known == name for known, _ in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        response.authority.append(dns.rrset.from_text("test.", self.ttl, "IN", "SOA", SOA))
