"""The gateway with a thread beside it that keeps the interpreter busy half of the time: what features yet to
come may do to it, and must not let the packets feel."""

import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from gateway.__main__ import main

TURN = 0.005  # seconds of work, and of rest


def work() -> None:
    while True:
        end = time.monotonic() + TURN
        while time.monotonic() < end:
            sum(range(500))
        time.sleep(TURN)


if __name__ == "__main__":
    threading.Thread(target=work, daemon=True).start()
    sys.exit(main())
