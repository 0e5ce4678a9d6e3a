"""What a call leaves behind is freed at once: the cyclic collector stops all packets that Python carries."""

import gc
from collections import Counter
from collections.abc import Awaitable, Callable

from tests.gateway.calls import phone_calls_phone
from tests.gateway.control import Control
from tests.gateway.phone import Phone

CALLS = 20


async def test_a_call_between_phones_leaves_no_ring_for_the_collector(
    control: Control, phones: Callable[..., Awaitable[Phone]]
) -> None:
    alice, bob = await phones(), await phones()

    async def call(number: int) -> None:
        await phone_calls_phone(control, alice, bob, f"c{number}")
        await control.ask("delete", f"c{number}", from_tag="a")

    await call(0)  # what is made once
    gc.collect()
    gc.disable()
    try:
        for number in range(1, 1 + CALLS):
            await call(number)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = Counter(f"{type(o).__module__}.{type(o).__qualname__}" for o in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert sum(left.values()) < CALLS, left.most_common(20)
