"""The page: npm's modules by the lock file, and the bundle that Vite makes of the sources."""

import node
from steps import ROOT, SetupError, Stamp, fingerprint, run, say

FRONTEND = ROOT / "frontend"
DIST = FRONTEND / "dist"
NOT_SOURCE = {"node_modules", "dist", ".svelte-kit", ".vite"}


def modules() -> None:
    """`npm ci` when the lock file changed."""
    lock = FRONTEND / "package-lock.json"
    if not lock.exists():
        raise SetupError("frontend/package-lock.json is missing: this checkout is not whole.")
    stamp = Stamp(FRONTEND / "node_modules" / ".lock-hash", fingerprint([lock]))
    if stamp.holds():
        return
    say("modules of the page (npm ci)")
    found = node.find()
    run(
        [*found.npm, "ci", "--no-audit", "--no-fund", "--loglevel", "notice"],
        "npm ci",
        FRONTEND,
        found.environment,
    )
    stamp.write()


def build() -> None:
    """`vite build` when a source or the lock file changed; Vite empties dist, and with it an old stamp."""
    stamp = Stamp(DIST / ".sources", sources())
    if stamp.holds():
        return
    modules()
    say("the page (vite build)")
    found = node.find()
    run([*found.npm, "run", "--silent", "build"], "vite build", FRONTEND, found.environment)
    stamp.write()


def sources() -> str:
    """Tests are no part of the bundle, but a stray rebuild costs half a second: one simple rule."""
    return fingerprint(path for path in FRONTEND.iterdir() if path.name not in NOT_SOURCE)
