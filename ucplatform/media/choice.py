"""Which engine a new call is placed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

from ucplatform.media.engine import Engine
from ucplatform.media.errors import EngineError

OWN_VERBS = frozenset({"terminate", "accept", "attach", "detach"})  # only our gateway speaks these


def choose(call_id: str, verb: str, engines: Sequence[Engine], calls: Mapping[str, int]) -> Engine:
    """The engine for the first request of a call.

    Of those that speak the verb, that live, and that have ports, the one with the fewest of our calls
    (`calls` by address); of equals the one that the call's id falls to by rendezvous hashing, so that edges
    which begin together do not all begin at the same. A fleet that is wholly dead is asked all the same: it
    may be starting. EngineError when none speaks the verb.
    """
    able = [engine for engine in engines if verb not in OWN_VERBS or engine.ours or engine.alive is None]
    if not able:
        raise EngineError(f"no engine speaks {verb}")
    living = [engine for engine in able if engine.alive] or able
    roomy = [engine for engine in living if engine.free_ports != 0] or living
    return min(roomy, key=lambda engine: (calls.get(engine.address, 0), _weight(call_id, engine.address)))


def _weight(call_id: str, address: str) -> bytes:
    return blake2b(f"{address} {call_id}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
