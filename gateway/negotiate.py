"""Codecs of offers and answers: pass-through first, transcoding only where nothing is shared (MEDIA.md)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from gateway.description import WEBRTC
from gateway.errors import GatewayError
from ucplatform.sdp import Codec

Key = tuple[str, int, int]

PCMU: Key = ("pcmu", 8000, 1)
PCMA: Key = ("pcma", 8000, 1)
G722: Key = ("g722", 8000, 1)
OPUS: Key = ("opus", 48000, 2)
EVENT = "telephone-event"

# What the transcoder takes and gives, best first, with the payload type and parameters we write for it.
CODED: dict[Key, Codec] = {
    OPUS: Codec(111, "opus", 48000, 2, "minptime=10;useinbandfec=1"),
    G722: Codec(9, "G722", 8000),
    PCMU: Codec(0, "PCMU", 8000),
    PCMA: Codec(8, "PCMA", 8000),
}
# Never offered on: red wraps another codec, and comfort noise has no meaning beside a transcoded stream.
PASSED_OVER = frozenset({"red", "cn", "rtx", "ulpfec", "flexfec-03"})
DYNAMIC = (*range(96, 128), *range(35, 64))


def is_event(codec: Codec) -> bool:
    return codec.name.lower() == EVENT


def speech(codecs: Iterable[Codec]) -> list[Codec]:
    """The codecs that carry sound."""
    return [codec for codec in codecs if not is_event(codec) and codec.name.lower() not in PASSED_OVER]


def events(codecs: Iterable[Codec]) -> list[Codec]:
    return [codec for codec in codecs if is_event(codec)]


def offer_for(kind: str, caller: Sequence[Codec], number: Callable[[Codec], int]) -> list[Codec]:
    """What a callee is offered: the caller's own codecs, then those that we can transcode for it.

    `number` gives the callee's payload type for a codec. GatewayError when the caller offers no sound.
    """
    own = speech(caller)
    if not own:
        raise GatewayError("no codec in common")
    wanted = list(own)
    if any(codec.key in CODED for codec in own):
        have = {codec.key for codec in own}
        # G.722 only for who has wideband itself: a telephone that prefers it would be transcoded for nothing.
        wide = (G722,) if OPUS in have else ()
        keys = (OPUS, PCMU, PCMA) if kind == WEBRTC else (PCMU, PCMA, *wide)
        wanted += [CODED[key] for key in keys if key not in have]
    return _numbered(wanted + _events_for(_leading(kind, wanted), _own_events(kind, wanted, caller)), number)


def may_transcode(caller: Sequence[Codec], offered: Sequence[Codec]) -> bool:
    """Whether the answer may name a codec that the caller has not."""
    return bool({codec.key for codec in speech(offered)} - {codec.key for codec in speech(caller)})


def full_offer(kind: str, number: Callable[[Codec], int], prefer: Sequence[str] = ()) -> list[Codec]:
    """An offer of our own: everything the transcoder speaks; Opus first for browsers, last for phones."""
    keys = list(CODED) if kind == WEBRTC else [PCMU, PCMA, G722, OPUS]
    wanted = _preferred([CODED[key] for key in keys], prefer)
    return _numbered(wanted + _events_for(_leading(kind, wanted), []), number)


def answer_for(caller: Sequence[Codec], callee: Sequence[Codec]) -> list[Codec]:
    """What the caller is answered, given what the callee took; in the callee's order, the caller's numbers.

    Codec parameters are the callee's: they say how it wants to be sent to. Where nothing is shared, it is one
    codec for the transcoder. GatewayError when there is none either.
    """
    own = {codec.key: codec for codec in reversed(speech(caller))}
    taken = speech(callee)
    chosen = [replace(own[codec.key], fmtp=codec.fmtp) for codec in taken if codec.key in own]
    if not chosen:
        if not any(codec.key in CODED for codec in taken):
            raise GatewayError("no codec in common")
        chosen = [_first_coded(speech(caller))]
    return chosen + _matching_events(chosen[:1], events(caller))


def own_answer(caller: Sequence[Codec], prefer: Sequence[str] = ()) -> list[Codec]:
    """The answer of `terminate`: one codec, by `prefer` (names), else the caller's first that we know."""
    offered = _preferred(speech(caller), prefer)
    named = {name.lower().partition("/")[0] for name in prefer}
    chosen = [codec for codec in offered if codec.name.lower() in named][:1] or [_first_coded(offered)]
    return chosen + _matching_events(chosen[:1], events(caller))


def filtered(codecs: Sequence[Codec], strip: Sequence[str]) -> list[Codec]:
    """NG's `codec: {strip: […]}`: names that must not be offered on."""
    names = {name.lower().partition("/")[0] for name in strip}
    if "all" in names:
        return []
    return [codec for codec in codecs if codec.name.lower() not in names]


def _first_coded(codecs: Sequence[Codec]) -> Codec:
    for codec in codecs:
        if codec.key in CODED:
            return replace(codec, fmtp=CODED[codec.key].fmtp, feedback=())
    raise GatewayError("no codec in common")


def _preferred(codecs: Sequence[Codec], prefer: Sequence[str]) -> list[Codec]:
    order = {name.lower().partition("/")[0]: rank for rank, name in reversed(list(enumerate(prefer)))}
    return sorted(codecs, key=lambda codec: order.get(codec.name.lower(), len(order)))


def _matching_events(chosen: Sequence[Codec], offered: Sequence[Codec]) -> list[Codec]:
    """Events share the clock of the sound they interrupt (RFC 4733 2.1); else any are better than none."""
    clocks = {codec.clock for codec in chosen}
    return [codec for codec in offered if codec.clock in clocks] or list(offered)


def _leading(kind: str, wanted: Sequence[Codec]) -> Sequence[Codec]:
    """The codecs whose clocks want events: for a browser the first alone, which it will speak.

    With events on two clocks Chromium takes the slower and measures the press on the faster: it then
    sends no more
    than the end of each press."""
    return wanted[:1] if kind == WEBRTC else wanted


def _own_events(kind: str, wanted: Sequence[Codec], caller: Sequence[Codec]) -> list[Codec]:
    if kind != WEBRTC:
        return events(caller)
    return [codec for codec in events(caller) if codec.clock == wanted[0].clock]


def _events_for(wanted: Sequence[Codec], own: Sequence[Codec]) -> list[Codec]:
    """The caller's event codecs, and one of ours for every clock that it has none for."""
    clocks = dict.fromkeys(codec.clock for codec in wanted)
    have = {codec.clock for codec in own}
    made = [
        Codec(101 if clock == 8000 else 110, EVENT, clock, 1, "0-16") for clock in clocks if clock not in have
    ]
    return [*own, *made]


def _numbered(codecs: Sequence[Codec], number: Callable[[Codec], int]) -> list[Codec]:
    return [replace(codec, payload=number(codec), feedback=()) for codec in codecs]


class Payloads:
    """Payload types of one leg: a number that has meant a codec means no other (RFC 3264 section 8.3.2)."""

    def __init__(self) -> None:
        self._numbers: dict[Key, int] = {}

    def learn(self, codecs: Iterable[Codec]) -> None:
        """The far end's numbers win: they are what its packets carry."""
        for codec in codecs:
            self._numbers[codec.key] = codec.payload

    def number(self, codec: Codec) -> int:
        """The number for a codec: the one it has, else the one it comes with, else a free one."""
        known = self._numbers.get(codec.key)
        if known is None:
            used = set(self._numbers.values())
            known = next((number for number in (codec.payload, *DYNAMIC) if number not in used), None)
            if known is None:
                raise GatewayError("no payload type left")
            self._numbers[codec.key] = known
        return known
