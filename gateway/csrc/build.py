"""Builds the module `_uc_relay` by cffi: what rtp.h and relay.h declare is what Python sees."""

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).parent
SOURCES = ("handles.c", "path.c", "place.c", "relay.c", "rtp.c", "table.c", "upward.c")


def declarations(header: str) -> str:
    """A header without what is for the preprocessor only; cffi reads the plain numbers itself."""
    kept = []
    for line in (HERE / header).read_text().splitlines():
        word, _, rest = line.partition(" ")
        if not word.startswith("#") or (word == "#define" and len(rest.split(" ")) > 1):
            kept.append(line.partition("/*")[0] if word == "#define" else line)
    return "\n".join(kept)


ffibuilder = FFI()
ffibuilder.cdef(declarations("rtp.h"))  # for the tests that hold it against the Python relay
ffibuilder.cdef(declarations("relay.h"))
ffibuilder.set_source(
    "_uc_relay",
    '#include "rtp.h"\n#include "relay.h"',
    sources=list(SOURCES),
    include_dirs=["."],
    define_macros=[("_GNU_SOURCE", "1")],
    extra_compile_args=["-std=c11", "-O2", "-Wall", "-Wextra"],
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
