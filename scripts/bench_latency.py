"""How long a caller waits for the 180: alone, and while somebody signed in looks at the history; beside
Kamailio as a plain proxy, and beside what the machine alone makes a program wait."""

import http.client
import statistics
import threading
import time
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

from bench_figure import Figure
from bench_load import Run
from bench_server import Server, kamailio

from tests.e2e.instance import Instance, Person
from tests.ports import PortBlock

RATE = 100  # calls a second
SECONDS = 20
ROUNDS = 3
LOOKS = 5  # a second
P50, P99 = 1.5, 6.0  # ms
PATHS = ("/api/v1/calls",)
WORK_SECONDS = 15.0  # how long the fixed piece of work is looked at
LOOKER = Person("3999", "Bench looks", "secret-3999", "bench-looks", "bench-looks-pass")


def pauses() -> Iterator[Figure]:
    """What the machine alone does to a program: the same half a millisecond of work again and again."""
    took = []
    end = time.monotonic() + WORK_SECONDS
    while time.monotonic() < end:
        begun = time.perf_counter()
        sum(number * number for number in range(6000))
        took.append((time.perf_counter() - begun) * 1000)
        time.sleep(0.003)
    middle = statistics.median(took)
    yield Figure.beside(
        "a fixed piece of work, p99", statistics.quantiles(took, n=100)[98], "ms", "its median", middle,
        f"one thread of Python on an otherwise idle machine for {WORK_SECONDS:g} s; where p99 is many times "
        f"the median, the machine itself stands still and no p99 below says more than that", digits=2,
    )  # fmt: skip


def latency(server: Server, directory: Path, ports: PortBlock) -> Iterator[Figure]:
    assert server.house is not None
    server.house.instance.load([LOOKER])
    with kamailio(directory / "kamailio-latency", ports) as peer:
        theirs = quickest(peer, "bench.example") if peer else None
    yield from rows("", quickest(server, server.house.instance.domain), theirs, "")
    with Reader(server.house.instance) as reader:
        run = quickest(server, server.house.instance.domain)
    said = f", while a signed-in client fetched the history {LOOKS} times a second ({reader.fetched} times, "
    said += f"slowest {reader.slowest * 1000:.0f} ms)"
    yield from rows(" beside the history", run, None, said)


def quickest(server: Server, domain: str) -> Run:
    """The run with the least p99: what else the machine does can only make it worse."""
    server.crowd.sign_in()
    runs = [server.crowd.timed(RATE * SECONDS, RATE, domain) for _ in range(ROUNDS)]
    if not all(run.ringing for run in runs):
        raise SystemExit(f"none of the calls was answered:\n{runs[0].report}")
    return min(runs, key=lambda run: run.percentile(0.99))


def rows(what: str, run: Run, theirs: Run | None, said: str) -> Iterator[Figure]:
    for name, share, aim in (("p50", 0.5, P50), ("p99", 0.99, P99)):
        yield Figure.beside(
            f"INVITE to 180{what}, {name}", run.percentile(share), "ms",
            "Kamailio (Debian), plain proxy" if theirs else "none",
            theirs.percentile(share) if theirs else None,
            f"from INVITE with credentials to 180, {RATE} calls a second for {SECONDS} s, "
            f"best of {ROUNDS}{said}", aim=aim, digits=2, failed=run.failed,
        )  # fmt: skip


class Reader:
    """Signs in as a person does and fetches the history again and again until the block ends."""

    def __init__(self, instance: Instance) -> None:
        self._port = instance.http_port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.fetched = 0
        self.slowest = 0.0
        self._cookie = self._sign_in()

    def _sign_in(self) -> str:
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        link.request("GET", "/accounts/login/")
        answer = link.getresponse()
        answer.read()
        token = SimpleCookie(answer.headers["Set-Cookie"])["csrftoken"].value
        form = {"login": LOOKER.username, "password": LOOKER.password, "csrfmiddlewaretoken": token}
        headers = {"Cookie": f"csrftoken={token}", "Content-Type": "application/x-www-form-urlencoded"}
        link.request("POST", "/accounts/login/", urlencode(form), headers)
        answer = link.getresponse()
        answer.read()
        cookies = SimpleCookie("; ".join(answer.headers.get_all("Set-Cookie") or ()))
        if answer.status != 302 or "sessionid" not in cookies:
            raise SystemExit(f"cannot sign in to look at the history: {answer.status}")
        return f"sessionid={cookies['sessionid'].value}"

    def _read(self) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            begun = time.monotonic()
            for path in PATHS:
                link.request("GET", path, headers={"Cookie": self._cookie})
                answer = link.getresponse()
                answer.read()
                if answer.status != 200:
                    raise SystemExit(f"{path}: {answer.status}")
            self.fetched += 1
            self.slowest = max(self.slowest, time.monotonic() - begun)
            due += 1 / LOOKS

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        if not self.fetched:
            raise SystemExit("the history was never fetched")
