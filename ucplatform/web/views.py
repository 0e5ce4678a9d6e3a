"""The shell of the single-page app, and the page for a failed form check."""

import json
import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from ucplatform.directory import sessions

log = logging.getLogger(__name__)
ENTRY = "index.html"  # Vite's entry; its chunk lists the scripts and styles of the first page


@lru_cache(maxsize=4)
def read_manifest(path: Path, changed_ns: int) -> dict[str, Any]:
    """Vite's manifest, read once per build (`changed_ns` is the file's modification time)."""
    return json.loads(path.read_text())


def entry_files() -> dict[str, Any] | None:
    """{"script", "styles", "preloads"} as paths below /static/app/; None while the front end is not built.

    Read from the collected copy, which is what the front serves: a build under a running house changes
    nothing
    until it is collected."""
    path = settings.STATIC_ROOT / "app" / "manifest.json"
    try:
        chunks = read_manifest(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return None
    entry = chunks.get(ENTRY) or next(chunk for chunk in chunks.values() if chunk.get("isEntry"))
    styles, preloads, queue = list(entry.get("css", [])), [], list(entry.get("imports", []))
    while queue:
        chunk = chunks[queue.pop()]
        preloads.append(chunk["file"])
        styles.extend(css for css in chunk.get("css", []) if css not in styles)
        queue.extend(name for name in chunk.get("imports", []) if chunks[name]["file"] not in preloads)
    return {"script": entry["file"], "styles": styles, "preloads": preloads}


@require_safe
@ensure_csrf_cookie
def shell(request: HttpRequest) -> HttpResponse:
    """The same page for every path of the app; who is not signed in goes to the sign-in page first."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    sessions.session_tag(request.session)  # so that a sign-out finds the event sockets of this session
    files = entry_files()
    about = {"files": files, "https_port": settings.UC_HTTPS.rpartition(":")[2]}
    response = render(request, "web/shell.html", about, status=200 if files else 503)
    response["Cache-Control"] = "no-store"
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form or request whose origin or token does not fit: JSON for the API, a page with the way out
    else."""
    log.warning(
        "refused %s %s from %s: %s", request.method, request.path, request.META.get("REMOTE_ADDR"), reason
    )
    if request.path.startswith("/api/"):
        return JsonResponse({"detail": reason}, status=403)
    return render(request, "web/csrf_failure.html", status=403)
