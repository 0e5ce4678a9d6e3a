"""`make fuzz-native`: hostile packets for the native relay, watched by the compiler's sanitizers."""

import argparse
import subprocess
import sys
from pathlib import Path

from native import SOURCE
from steps import data_directory

CHECKED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")


def build(directory: Path) -> Path:
    """Compile the fuzzer; CalledProcessError when it does not compile. Warnings are errors here."""
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / "fuzz-native"
    sources = sorted(str(path) for path in SOURCE.glob("*.c"))
    options = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", *CHECKED]
    subprocess.run(["cc", *options, "-o", str(program), *sources, "-lpthread"], check=True)
    return program


def run(program: Path, seconds: float) -> int:
    """The status: 0 when nothing was found, and what the program says on the screen."""
    return subprocess.run([str(program), str(seconds)]).returncode


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make fuzz-native", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    sys.exit(run(build(data_directory() / "fuzz"), parser.parse_args().seconds))
