"""Kamailio before the edges, with the configuration that administrators get."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from tests.e2e.process import Child
from tests.e2e.wait import until
from tests.ports import PortBlock

CONFIGURATION = Path(__file__).parents[2] / "docs" / "kamailio.cfg"
#: on loopback, and yet not the address of the telephones: the edges trust it, not them
ADDRESS = "127.0.0.5"


class Kamailio:
    """Started at once; `edges` are the addresses that it dispatches to, `flags` defines of its file."""

    def __init__(self, directory: Path, ports: PortBlock, edges: list[str], *flags: str) -> None:
        binary = shutil.which("kamailio", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        assert binary, "kamailio is missing: apt install kamailio"
        directory.mkdir(parents=True)
        (directory / "edges.list").write_text("".join(f"1 sip:{edge} 0 0\n" for edge in edges))
        self.address = (ADDRESS, ports.take())
        defines = [
            f"LISTEN=udp:{self.server}",
            f'EDGES="{directory / "edges.list"}"',
            *flags,
        ]
        arguments = [part for define in defines for part in ("-A", define)]
        files = ["-f", str(CONFIGURATION), "-w", str(directory), "-Y", str(directory)]
        self._child = Child(
            [binary, "-DD", "-E", "-m", "32", "-M", "8", *files, *arguments], directory / "kamailio.log"
        )

    @property
    def server(self) -> str:
        return "{}:{}".format(*self.address)

    def wait_ready(self) -> None:
        """Until it passes an OPTIONS on to an edge and the answer back."""
        until(self._answers, 10, f"Kamailio to pass messages on:\n{self._child.tail()}")

    def _answers(self) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            probe.settimeout(0.5)
            port = probe.getsockname()[1]
            probe.sendto(
                f"OPTIONS sip:edge@{self.server} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{port}\r\n"
                f"From: <sip:x@x>;tag=1\r\nTo: <sip:edge@x>\r\nCall-ID: {port}\r\nCSeq: 1 OPTIONS\r\n"
                "Max-Forwards: 5\r\nContent-Length: 0\r\n\r\n".encode(),
                self.address,
            )
            try:
                return probe.recv(4096).startswith(b"SIP/2.0 200")
            except TimeoutError:
                return False

    def tail(self) -> str:
        return self._child.tail()

    def stop(self) -> None:
        self._child.stop(5)
