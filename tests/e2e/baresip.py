"""A real SIP phone: baresip, driven over its control socket, plays a tone and writes down what it hears."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e import tone
from tests.e2e.process import Child
from tests.e2e.wait import until
from tests.ports import PortBlock

Event = dict[str, Any]
LIFE = 600  # seconds a phone can record

CONFIG = """\
poll_method epoll
sip_listen {address}:{sip_port}
audio_source ausine,{tone}
audio_player aubridge,nowhere
audio_alert aubridge,nowhere
ausrc_srate 48000
ausrc_channels 2
auplay_srate 48000
rtp_ports {rtp_first}-{rtp_last}
module_path /usr/lib/baresip/modules
module stdio.so
module g711.so
module g722.so
module opus.so
module srtp.so
module ausine.so
module aubridge.so
module sndfile.so
module ctrl_tcp.so
module uuid.so
module_app account.so
module_app menu.so
snd_path {heard}
ctrl_tcp_listen 127.0.0.1:{control_port}
"""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose phone it is. `server` is host:port of the registrar, None for a phone that registers nowhere."""

    number: str
    secret: str = ""
    server: str | None = None
    transport: str = "udp"
    codecs: str = ""  # as baresip writes them, e.g. "pcmu" or "opus/48000/2"; '' for all
    answer: str = "manual"  # or "auto"
    encryption: str = ""  # as baresip writes it: "srtp-mand", "srtp"; '' for none

    def line(self, address: str) -> str:
        """The line of baresip's accounts file."""
        host = self.server or address
        parts = [f"<sip:{self.number}@{host};transport={self.transport}>"]
        parts.append(f"auth_user={self.number};auth_pass={self.secret}" if self.server else "regint=0")
        if self.server:
            parts.append("regint=60")
        if self.codecs:
            parts.append(f"audio_codecs={self.codecs}")
        if self.encryption:
            parts.append(f"mediaenc={self.encryption}")
        parts.append(f"answermode={self.answer}")
        return ";".join(parts)


class Baresip:
    """One running phone. `tone` Hz is what it says in every call, `heard()` what came in."""

    def __init__(
        self,
        directory: Path,
        ports: PortBlock,
        account: Account,
        *,
        frequency: int = 440,
        address: str = "127.0.0.1",
    ) -> None:
        binary = shutil.which("baresip")
        assert binary, "baresip is missing: apt install baresip-core"
        self.account = account
        self.directory = directory
        self._heard = directory / "heard"
        self._heard.mkdir(parents=True)
        self.sip_port = ports.take(spacing=10)  # it binds the next one for TLS
        control_port = ports.take()
        rtp_first, rtp_last = ports.take_range(20)
        self.uri = f"sip:{account.number}@{address}:{self.sip_port}"
        (directory / "accounts").write_text(account.line(f"{address}:{self.sip_port}") + "\n")
        (directory / "contacts").write_text("")
        _block_own_voice(self._heard)
        config = CONFIG.format(
            address=address, sip_port=self.sip_port, tone=frequency, rtp_first=rtp_first, rtp_last=rtp_last,
            heard=self._heard, control_port=control_port,
        )  # fmt: skip
        (directory / "config").write_text(config)
        command = [binary, "-4", "-s", "-f", str(directory)]
        self._child = Child(command, directory / "log", env={**os.environ, "TZ": "UTC"})
        self.events: list[Event] = []
        self._changed = threading.Condition()
        self._token = 0
        self._replies: dict[str, Event] = {}
        self._socket = until(lambda: self._connect(control_port), 10, "baresip's control socket")
        self._reader = threading.Thread(target=self._read, name=f"baresip {account.number}", daemon=True)
        self._reader.start()

    # -- life ------------------------------------------------------------------------------------

    def _connect(self, port: int) -> socket.socket | None:
        assert self._child.code is None, f"baresip ended:\n{self._child.tail()}"
        try:
            return socket.create_connection(("127.0.0.1", port), 5)
        except OSError:
            return None

    def stop(self) -> None:
        """Quit, politely for two seconds: it waits long for a registrar that is gone."""
        self._child.stop(2)
        self._socket.close()
        self._reader.join(5)

    def signal(self, number: signal.Signals) -> None:
        """A signal to its process, SIGSTOP for a phone that is there and says nothing."""
        self._child.signal(number)

    def __enter__(self) -> Baresip:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- control ---------------------------------------------------------------------------------

    def command(self, name: str, params: str = "", seconds: float = 5.0) -> str:
        """Run a command of baresip's and return what it prints."""
        self._token += 1
        token = f"t{self._token}"
        text = json.dumps({"command": name, "params": params, "token": token}).encode()
        self._socket.sendall(b"%d:%s," % (len(text), text))
        with self._changed:
            answered = self._changed.wait_for(lambda: token in self._replies, seconds)
            assert answered, f"baresip does not answer {name}\n{self._child.tail()}"
            reply = self._replies.pop(token)
        assert reply.get("ok"), f"baresip refuses {name} {params}: {reply}"
        return str(reply.get("data", ""))

    def mark(self) -> int:
        """A place in the list of events, for wait_event's `since`."""
        return len(self.events)

    def wait_event(
        self, kind: str, seconds: float = 10.0, *, since: int = 0, param: str | None = None
    ) -> Event:
        """The first event of a kind behind `since` (from mark()), e.g. CALL_INCOMING; waits for it."""

        def find() -> Event | None:
            events = self.events[since:]
            return next((e for e in events if e["type"] == kind and param in (None, e.get("param"))), None)

        with self._changed:
            found = self._changed.wait_for(find, seconds)
        assert found, f"no {kind} within {seconds:g} s; events: {[e['type'] for e in self.events[since:]]}"
        return found

    def has_event(self, kind: str, since: int = 0) -> bool:
        """True when such an event has come already."""
        return any(event["type"] == kind for event in self.events[since:])

    def _read(self) -> None:
        buffer = b""
        while True:
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return
            if not data:
                return
            buffer += data
            while True:
                message, buffer = _netstring(buffer)
                if message is None:
                    break
                self._take(json.loads(message))

    def _take(self, message: Event) -> None:
        with self._changed:
            if message.get("event"):
                self.events.append({**message, "at": time.monotonic()})
            else:
                self._replies[str(message.get("token"))] = message
            self._changed.notify_all()

    # -- a call ----------------------------------------------------------------------------------

    def wait_registered(self, seconds: float = 10.0) -> None:
        """Until its registration is good. The event may have come before the control socket was there."""
        until(lambda: "OK" in self.command("reginfo"), seconds, f"{self.account.number} registered")

    def dial(self, target: str) -> int:
        """Call a URI, or a number at its registrar; returns the mark from before."""
        since = self.mark()
        uri = target if target.startswith("sip:") else f"sip:{target}@{self.account.server}"
        self.command("dial", uri)  # it adds the account's transport itself
        return since

    def wait_ringing(self, seconds: float = 10.0, since: int = 0) -> Event:
        """Until a call comes in."""
        return self.wait_event("CALL_INCOMING", seconds, since=since)

    def answer(self) -> None:
        """Accept the call that rings."""
        self.command("accept")

    def hang_up(self) -> None:
        """End the call, or decline the one that rings."""
        self.command("hangup")

    def hold(self) -> None:
        """re-INVITE with sendonly."""
        self.command("hold")

    def resume(self) -> None:
        """re-INVITE with sendrecv."""
        self.command("resume")

    def wait_talking(self, seconds: float = 10.0, since: int = 0) -> Event:
        """Until a call is established."""
        return self.wait_event("CALL_ESTABLISHED", seconds, since=since)

    def wait_ended(self, seconds: float = 10.0, since: int = 0) -> Event:
        """Until a call is over; the event's "param" is the reason."""
        return self.wait_event("CALL_CLOSED", seconds, since=since)

    # -- sound -----------------------------------------------------------------------------------

    def wait_hears(self, frequency: float, seconds: float = 15.0, windows: int = 4) -> None:
        """Until it has heard the tone for `windows` quarter seconds in a row, in sound from now on."""
        before = self._sizes()

        def look() -> bool:
            return tone.longest_run(self._heard_since(before).windows(), frequency) >= windows

        try:
            until(look, seconds, "a tone")
        except AssertionError:
            seen = self._heard_since(before).windows()[-8:]
            raise AssertionError(f"phone {self.account.number} hears no {frequency:g} Hz: {seen}") from None

    def wait_hears_no(self, frequency: float, seconds: float = 10.0, span: float = 1.0) -> None:
        """Until `span` seconds went by in which nothing of the tone came in."""
        start, before = time.monotonic(), self._sizes()

        def look() -> bool:
            nonlocal start, before
            if any(window.is_near(frequency) for window in self._heard_since(before).windows()):
                start, before = time.monotonic(), self._sizes()
            return time.monotonic() - start >= span

        until(look, seconds, f"phone {self.account.number} hears {frequency:g} Hz no more")

    def _sizes(self) -> dict[Path, int]:
        return {path: path.stat().st_size for path in self._heard.glob("*-dec.wav")}

    def _heard_since(self, before: dict[Path, int]) -> tone.Sound:
        """What came in behind the sizes of `before`; after a hold baresip begins a new file."""
        files = sorted(self._heard.glob("*-dec.wav"), key=lambda path: path.stat().st_mtime_ns)
        if not files:
            return tone.Sound(tone.np.zeros(0), 8000)
        whole = max(files[-1].stat().st_size, 1)
        sound = tone.read_wav(files[-1])
        return sound.after(sound.seconds * min(before.get(files[-1], 0) / whole, 1))

    # -- evidence --------------------------------------------------------------------------------

    def messages(self) -> str:
        """Its SIP trace: every message sent and received."""
        return self._child.text()

    def tail(self) -> str:
        """The end of its log, for a failure's report."""
        return self._child.tail()


def _block_own_voice(heard: Path) -> None:
    """Let baresip write down what it hears, but not what it says.

    It sets up its recording filters only when neither direction has one, and a hold drops that of the sound
    heard alone: after a resume nothing would be written any more. So the file for its own voice, named by the
    second, must fail to open. A directory in its place sees to that, for the ten minutes a phone may live.
    """
    now = int(time.time())
    for second in range(now, now + LIFE):
        stamp = time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime(second))
        (heard / f"dump-{stamp}-enc.wav").mkdir()


def _netstring(buffer: bytes) -> tuple[bytes | None, bytes]:
    """The first whole netstring of the buffer and what is left; (None, buffer) when none is whole."""
    head, colon, rest = buffer.partition(b":")
    if not colon or len(rest) < int(head) + 1:
        return None, buffer
    return rest[: int(head)], rest[int(head) + 1 :]
