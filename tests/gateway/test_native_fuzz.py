"""A short run of `make fuzz-native`."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 8


def test_hostile_packets_break_nothing(tmp_path: Path) -> None:
    """Memory and arithmetic are watched by the sanitizers; the first fault ends the program."""
    done = subprocess.run(
        [sys.executable, "scripts/fuzz_native.py", "--seconds", str(SECONDS)],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "UC_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[0]) > 10_000, done.stdout
