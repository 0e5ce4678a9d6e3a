"""Records as an edge writes them."""

import copy
import itertools
from collections.abc import Callable
from typing import Any

import pytest

T0 = 1_790_000_000.0
LEG_STATS = {
    "in": {"packets": 500, "bytes": 80000, "lost": 0, "jitter_ms": "4.5", "discarded": 0, "last_s": 0.1},
    "out": {"packets": 500, "bytes": 80000},
    "rtt_ms": 12.5,
    "remote_lost": 0,
    "remote_jitter_ms": "3.0",
}


def party(number: str, name: str, device: str) -> dict[str, Any]:
    return {
        "number": number,
        "name": name,
        "extension": number,
        "device": device,
        "address": "192.0.2.7",
        "user_agent": "tests",
    }


@pytest.fixture
def record() -> Callable[..., dict[str, Any]]:
    """record(result="missed", …): one more call of 201 to 202, a minute after the one before."""
    numbers = itertools.count()

    def make(**changes: Any) -> dict[str, Any]:
        n = next(numbers)
        begin = T0 + 60 * n
        base = {
            "id": f"c-e1-{n:04d}",
            "edge": "1",
            "caller": party("201", "Alice", "browser"),
            "dialled": "202",
            "callee": party("202", "Bob", "phone"),
            "created": begin,
            "rang": begin + 0.5,
            "answered": begin + 3,
            "ended": begin + 13,
            "result": "answered",
            "status": 200,
            "cause": "answered",
            "reason": "OK",
            "hung_up_by": "caller",
            "legs": [
                {
                    "id": "leg1",
                    "role": "caller",
                    "number": "201",
                    "device": "browser",
                    "codec": "opus/48000/2",
                },
                {"id": "leg2", "role": "callee", "number": "202", "device": "phone", "codec": "PCMA/8000"},
            ],
        }
        for leg in base["legs"]:
            leg["stats"] = copy.deepcopy(LEG_STATS)
        made = {**base, **changes}
        if made["result"] != "answered":
            made.update(answered=None, legs=changes.get("legs", []))
        return made

    return make
