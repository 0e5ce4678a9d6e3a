"""Files that grow, are closed at a size or an age, and are dropped whole."""

import os
from pathlib import Path


def make_directory(path: Path) -> Path:
    """`path` as a directory that only we may read: it holds who called whom."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def open_private(path: Path, flags: int) -> int:
    """A file descriptor on `path`, mode 0600 when it is new."""
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`; OSError when the disk is full."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_directory(path: Path) -> None:
    """Make a new, renamed or removed name in `path` last through a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Replace `path` by `data`, whole or not at all, mode 0600.

    Without `sync` a power cut may bring the old back.
    """
    draft = path.with_name(f"{path.name}.new")
    descriptor = open_private(draft, os.O_WRONLY | os.O_TRUNC)
    try:
        write_all(descriptor, data)
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(path)
