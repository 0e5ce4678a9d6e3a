"""`make bench`: what the house costs beside its peers, as a table and in var/bench.json.

Each figure is the best of three: what else runs on the machine can only make it worse.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from steps import ROOT, data_directory

sys.path.insert(0, str(ROOT))

import sipmessage
from bench_calls import calls
from bench_engines import gateway, rtpengine, rtpengine_program
from bench_figure import Figure, best
from bench_relay import relay

from ucplatform import ng
from ucplatform.sip.message import parse_message, validate

SAMPLES = ("desk-phone-invite.sip", "browser-register.sip", "ringing.sip")
PINGS = 2000


def main() -> int:
    figures = []
    for part in (sip_messages, ng_ping, relay, calls):
        figures += part()
    table(figures)
    path = data_directory() / "bench.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    print(f"\nwritten to {path}")
    return 0


def sip_messages() -> Iterator[Figure]:
    """Bytes in, checked and read as a proxy must, bytes out."""
    for name in SAMPLES:
        data = (ROOT / "tests" / "data" / "sip" / name).read_bytes()

        def ours(data: bytes = data) -> bytes:
            message = parse_message(data)
            validate(message)
            return message.to_bytes()

        def theirs(data: bytes = data) -> bytes:
            message = sipmessage.Message.parse(data)
            _ = (message.via, message.from_address, message.to_address, message.call_id, message.cseq)
            return bytes(message)

        yield Figure.beside(
            f"SIP message in and out: {Path(name).stem}",
            best(ours, time.process_time),
            "µs CPU",
            f"sipmessage {sipmessage.__version__}",
            best(theirs, time.process_time),
            f"{len(data)} octets; parse, check Via From To Call-ID CSeq, write",
        )


def ng_ping() -> Iterator[Figure]:
    """Round trip of an NG ping over UDP on loopback: the floor under every question to a media engine."""
    with gateway() as engine:
        ours = round_trip(engine.port)
    program = rtpengine_program()
    theirs = None
    if program:
        with rtpengine(program) as engine:
            theirs = round_trip(engine.port)
    peer = "rtpengine (Debian)" if program else "rtpengine is missing"
    yield Figure.beside("NG ping", ours, "µs", peer, theirs, f"UDP, loopback, {PINGS} in turn")


def round_trip(port: int) -> float:
    """µs for a ping and its pong, mean over PINGS, the best of three."""
    found = float("inf")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect(("127.0.0.1", port))
        link.settimeout(2)
        for turn in range(3):
            begun = time.perf_counter()
            for number in range(PINGS):
                link.send(ng.encode(f"{os.getpid()}-{turn}-{number}", {"command": "ping"}))
                link.recv(65536)
            found = min(found, (time.perf_counter() - begun) / PINGS)
    return found * 1e6


def table(figures: list[Figure]) -> None:
    rows = [("what", "ours", "peer's", "unit", "peer", "aim")]
    words = {True: "met", False: "missed", None: "no peer here"}
    for f in figures:
        theirs = "–" if f.peer_value is None else str(f.peer_value)
        rows.append((f.name, str(f.value), theirs, f.unit, f.peer, words[f.met]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
