"""Where calls are found: by a dialog, by a server transaction, by what may concern them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ucplatform.sip.commands import Key
from ucplatform.sip.message import Request, Response

Place = tuple[str, str]
"""Call id, leg id."""

Topic = tuple[str, str]
"""What may concern a call that is no message of it: ("number", extension) or ("flow", flow id)."""

#: Server transactions of one call that are remembered: a peer may send re-INVITEs for hours.
SERVED = 16


@dataclass(slots=True)
class _Marks:
    """Where a call stands in the indexes, so that forgetting it costs no search."""

    dialogs: list[tuple[str, str]] = field(default_factory=list)
    served: list[Key] = field(default_factory=list)
    topics: set[Topic] = field(default_factory=set)


class CallIndex:
    """All look-ups are by dictionary: this is asked for every message."""

    def __init__(self) -> None:
        self._dialogs: dict[tuple[str, str], Place] = {}
        self._served: dict[Key, Place] = {}
        self._marks: dict[str, _Marks] = {}
        self._topics: dict[Topic, set[str]] = {}

    def __len__(self) -> int:
        """The number of entries, 0 when every call is forgotten."""
        return len(self._dialogs) + len(self._served) + len(self._marks) + len(self._topics)

    # -- writing -----------------------------------------------------------------------------------

    def remember(self, place: Place, sip_call_id: str, tag: str) -> None:
        """A dialog, by its Call-ID and one tag; the newest place counts."""
        if sip_call_id:
            self._dialogs[sip_call_id, tag] = place
            self._of(place[0]).dialogs.append((sip_call_id, tag))

    def serve(self, key: Key, place: Place) -> None:
        """The server transaction of an INVITE or re-INVITE."""
        marks = self._of(place[0])
        if len(marks.served) >= SERVED:
            self._served.pop(marks.served.pop(0), None)
        self._served[key] = place
        marks.served.append(key)

    def watch(self, call_id: str, topics: Iterable[Topic]) -> None:
        """What happens to these concerns the call, besides what already does."""
        known = self._of(call_id).topics
        for topic in topics:
            if topic not in known:
                known.add(topic)
                self._topics.setdefault(topic, set()).add(call_id)

    def forget(self, call_id: str) -> None:
        marks = self._marks.pop(call_id, _Marks())
        for tags in marks.dialogs:
            # A caller's next attempt may have the same Call-ID and tag by now.
            if self._dialogs.get(tags, ("", ""))[0] == call_id:
                del self._dialogs[tags]
        for topic in marks.topics:
            concerned = self._topics[topic]
            concerned.discard(call_id)
            if not concerned:
                del self._topics[topic]
        for key in marks.served:
            self._served.pop(key, None)

    def _of(self, call_id: str) -> _Marks:
        return self._marks.setdefault(call_id, _Marks())

    # -- reading -----------------------------------------------------------------------------------

    def of_message(self, message: Request | Response, incoming: bool) -> Place | None:
        """By our tag of its dialog, or by theirs while we have not answered yet."""
        call_id, from_tag, to_tag = message.call_id, message.from_tag or "", message.to_tag or ""
        ours, theirs = (to_tag, from_tag) if incoming == isinstance(message, Request) else (from_tag, to_tag)
        return self._dialogs.get((call_id, ours)) or self._dialogs.get((call_id, theirs))

    def of_dialog(self, sip_call_id: str, tag: str) -> Place | None:
        return self._dialogs.get((sip_call_id, tag))

    def of_server_key(self, key: Key) -> Place | None:
        return self._served.get(key)

    def concerned(self, topic: Topic) -> list[str]:
        """Ids of calls, in order."""
        return sorted(self._topics.get(topic, ()))
