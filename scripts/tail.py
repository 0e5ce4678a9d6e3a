"""The tail of the house: files and functions that have grown too long. Exits with 1 when there is one."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FILE = 500
LONGEST_FUNCTION = 60
SUFFIXES = {".py", ".ts", ".svelte", ".c", ".h", ".css"}


def main() -> int:
    found = [line for path in tracked() for line in complaints(path)]
    print("\n".join(found) or "no file over 500 lines, no function over 60")
    return 1 if found else 0


def tracked() -> list[Path]:
    """What git knows or would take in; generated migrations and ignored files are nobody's style."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return [
        path
        for path in paths
        if path.suffix in SUFFIXES and "migrations" not in path.parts and path.is_file()
    ]


def complaints(path: Path) -> Iterator[str]:
    """One line for each thing that is too long."""
    text = path.read_text(errors="replace")
    name = path.relative_to(ROOT)
    lines = text.count("\n")
    if lines > LONGEST_FILE:
        yield f"{name}: {lines} lines"
    if path.suffix == ".py":
        functions = python_functions(text)
    elif path.suffix == ".css":
        return
    else:
        functions = brace_functions(text)
    for line, title, length in functions:
        if length > LONGEST_FUNCTION:
            yield f"{name}:{line} {title}: {length} lines"


def python_functions(text: str) -> Iterator[tuple[int, str, int]]:
    """(line, name, length in lines)."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name, (node.end_lineno or node.lineno) - node.lineno


def brace_functions(text: str) -> Iterator[tuple[int, str, int]]:
    """TypeScript, Svelte and C by their layout: a line that opens a block and looks like a function
    goes on to the closing brace at the same indentation."""
    lines = text.split("\n")
    for start, line in enumerate(lines):
        if not opens_function(line):
            continue
        indent = line[: len(line) - len(line.lstrip())]
        for end in range(start + 1, len(lines)):
            if lines[end].startswith(indent + "}"):
                yield start + 1, line.strip()[:60], end - start
                break


def opens_function(line: str) -> bool:
    bare = line.strip()
    if not bare.endswith("{") or bare.startswith(
        ("class ", "export class ", "interface ", "struct ", "//", "*")
    ):
        return False
    head = bare.split("(", 1)[0].split()
    if "(" not in bare or not head:
        return False
    return head[0] not in {"if", "for", "while", "switch", "else", "catch", "return", "describe", "{#if", "}"}


if __name__ == "__main__":
    sys.exit(main())
