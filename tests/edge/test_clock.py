"""The edge's one clock: what is due fires, and a fault in one timer costs no other."""

import asyncio

from ucplatform.edge.clock import Clock


async def test_a_timer_that_fails_does_not_stop_the_others():
    loop = asyncio.get_running_loop()
    fired: list[str] = []
    done = asyncio.Event()

    def fire(key, now):
        if key == ("bad",):
            raise RuntimeError("a fault of ours")
        fired.append(key[0])
        if key == ("last",):
            done.set()

    clock = Clock(loop, fire)
    for name in ("bad", "good", "last"):
        clock.set((name,), loop.time() + (0.01 if name == "last" else 0.0))
    async with asyncio.timeout(5):
        await done.wait()
    clock.stop()
    assert fired == ["good", "last"]
