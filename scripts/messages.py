"""Compiles translations (django.po → django.mo) without GNU gettext, which a fresh machine does not have.

The .mo format: magic, version, count, two tables of (length, offset), then the texts, each closed by NUL; the
originals are sorted. A context stands before its original, divided by EOT; plural forms are divided by NUL.
"""

import ast
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from steps import ROOT, SetupError, say

LINE = re.compile(r'(msgctxt|msgid_plural|msgid|msgstr)(?:\[(\d+)\])?\s+(".*")')


def prepare() -> None:
    """Compile each catalogue that is newer than its .mo."""
    for source in sorted((ROOT / "ucplatform").rglob("locale/*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            say(f"translation {source.relative_to(ROOT)}")
            target.write_bytes(compile_catalogue(parse(source.read_text(encoding="utf-8"), source)))


def parse(text: str, name: Path | str) -> dict[str, str]:
    """Original → translation, both as .mo wants them. Fuzzy and empty translations are left out."""
    found: dict[str, str] = {}
    for block in re.split(r"\n\s*\n", text):
        fields, fuzzy = read_block(block, name)
        original, context = fields.get("msgid"), fields.get("msgctxt")
        if original is None or (fuzzy and original):
            continue
        forms = [fields[key] for key in sorted(fields) if key.startswith("msgstr")]
        if not all(forms):
            continue
        key = original if context is None else f"{context}\x04{original}"
        if "msgid_plural" in fields:
            key += "\0" + fields["msgid_plural"]
        found[key] = "\0".join(forms)
    return found


def read_block(block: str, name: Path | str) -> tuple[dict[str, str], bool]:
    """The fields of one entry; a field's text may go on over several quoted lines."""
    fields: dict[str, str] = {}
    fuzzy, current = False, ""
    for line in (raw.strip() for raw in block.split("\n")):
        if line.startswith("#"):
            fuzzy = fuzzy or (line.startswith("#,") and "fuzzy" in line)
            continue
        start = LINE.fullmatch(line)
        if start:
            current = start[1] + (start[2] or "")
            fields[current] = ast.literal_eval(start[3])
        elif line.startswith('"') and current:
            fields[current] += ast.literal_eval(line)
        elif line:
            raise SetupError(f"{name}: cannot read {line!r}")
    return fields, fuzzy


def compile_catalogue(texts: dict[str, str]) -> bytes:
    """The .mo file, little-endian, without the optional hash table."""
    pairs = sorted((key.encode(), value.encode()) for key, value in texts.items())
    start = 28 + 16 * len(pairs)
    data = b"".join(text + b"\0" for column in (0, 1) for text in (pair[column] for pair in pairs))
    header = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, start)
    return header + b"".join(tables(pairs, start)) + data


def tables(pairs: list[tuple[bytes, bytes]], offset: int) -> Iterator[bytes]:
    """(length, offset) of every original, then of every translation."""
    for column in (0, 1):
        for pair in pairs:
            yield struct.pack("<2I", len(pair[column]), offset)
            offset += len(pair[column]) + 1
