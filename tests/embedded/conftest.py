"""Free ports, and the modules of scripts/, which are no package: they run before anything is installed."""

import importlib
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def messages() -> Iterator[ModuleType]:
    sys.path.insert(0, str(SCRIPTS))
    yield importlib.import_module("messages")
    sys.path.remove(str(SCRIPTS))


@pytest.fixture
def free_port() -> Callable[[], int]:
    """free_port(): a TCP port that the kernel gave and nobody has now."""

    def find() -> int:
        with socket.socket() as trial:
            trial.bind(("127.0.0.1", 0))
            return trial.getsockname()[1]

    return find
