"""`make bench`: what the house costs beside its peers, as a table and in var/bench.json.

Each figure is the best of three: what else runs on the machine can only make it worse. Names of parts as
arguments measure only these, and leave the other figures of an earlier run in the file.
"""

import argparse
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from steps import ROOT, data_directory

sys.path.insert(0, str(ROOT))

import sipmessage
from bench_calls import browser_calls, calls
from bench_endurance import held, memory_of_calls
from bench_engines import gateway, rtpengine, rtpengine_program
from bench_figure import Figure, best
from bench_latency import latency, pauses
from bench_registrations import cold, registrations
from bench_relay import relay
from bench_server import product

from tests.ports import PortBlock
from ucplatform import ng
from ucplatform.sip.message import parse_message, validate

SAMPLES = ("desk-phone-invite.sip", "browser-register.sip", "ringing.sip")
PINGS = 2000
#: parts that could not be measured
BROKEN: list[str] = []


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join((*ALONE, *LOADED))}")
    chosen = parser.parse_args(arguments).parts or [*ALONE, *LOADED]
    if unknown := set(chosen) - ALONE.keys() - LOADED.keys():
        parser.error(f"no part {', '.join(sorted(unknown))}")
    figures = [figure for name, part in ALONE.items() if name in chosen for figure in part()]
    if LOADED.keys() & set(chosen):
        figures += loaded([name for name in LOADED if name in chosen])
    table(figures)
    path = data_directory() / "bench.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [asdict(figure) for figure in figures]
    path.write_text(json.dumps([*others(path, rows, chosen), *rows], indent=2) + "\n")
    print(f"\nwritten to {path}")
    return 1 if BROKEN else 0


def others(path: Path, rows: list[dict[str, Any]], chosen: list[str]) -> list[dict[str, Any]]:
    """Figures of the file that were not asked for this time."""
    if len(chosen) == len(ALONE) + len(LOADED) or not path.exists():
        return []
    names = {row["name"] for row in rows}
    return [row for row in json.loads(path.read_text()) if row["name"] not in names]


def loaded(names: list[str]) -> list[Figure]:
    """The figures of one running house, started once for all of them. A part that breaks is named; the others
    go on."""
    figures: list[Figure] = []
    ports = PortBlock()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="uc-bench-") as place,
            product(Path(place) / "ours", ports) as server,
        ):
            for name in names:
                try:
                    server.crowd.sign_in()  # a registration lasts ten minutes
                    for figure in LOADED[name](server, Path(place), ports):
                        print(f"{figure.name}: {figure.value} {figure.unit}", flush=True)
                        figures.append(figure)
                except (AssertionError, OSError, SystemExit) as error:
                    BROKEN.append(name)
                    print(f"{name} could not be measured: {error}", file=sys.stderr)
    finally:
        ports.release()
    return figures


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
    rows = [("what", "ours", "unit", "aim", "", "peer's", "peer")]
    words = {True: "met", False: "missed", None: ""}
    for f in figures:
        aim, theirs = ("–" if value is None else f"{value:g}" for value in (f.aim, f.peer_value))
        rows.append((f.name, f"{f.value:g}", f.unit, aim, words[f.met], theirs, f.peer))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


Part = Callable[[Any, Path, PortBlock], Iterable[Figure]]
ALONE: dict[str, Callable[[], Iterable[Figure]]] = {
    "machine": pauses,
    "messages": sip_messages,
    "ping": ng_ping,
    "relay": relay,
}
LOADED: dict[str, Part] = {
    "memory": lambda server, *_: memory_of_calls(server),  # while the house is fresh
    "cold": lambda server, *_: cold(server),
    "calls": calls,
    "browsers": browser_calls,
    "latency": latency,
    "registrations": registrations,
    "held": lambda server, *_: held(server),
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
