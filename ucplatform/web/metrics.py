"""`/metrics` in Prometheus' text format, for callers on this machine or beside it, and for administrators."""

from collections import Counter
from collections.abc import Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.views.decorators.http import require_safe

from ucplatform.notify import actions as notify


def family(name: str, kind: str, help: str, label: str, values: Mapping[str, float]) -> list[str]:
    """The lines of one metric; with `label` '' there is one value under the key ''."""
    lines = [f"# HELP {name} {help}", f"# TYPE {name} {kind}"]
    for key, value in sorted(values.items()):
        escaped = key.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'{name}{{{label}="{escaped}"}} {value:g}' if label else f"{name} {value:g}")
    return lines


def report() -> str:
    """All metrics."""
    roles = notify.role_reports(settings.UC_ROLES)
    snapshots = notify.call_snapshots()
    calls = [call.get("state", "") for call in snapshots]
    edges = Counter(str(call.get("edge", "")) for call in snapshots)
    states = {state: float(calls.count(state)) for state in ("ringing", "talking")}
    ready = {name: float(role["state"] == "ready") for name, role in roles.items()}
    accounts = [ban["account"] for ban in notify.bans()]
    whole = accounts.count("")
    bans = {"address": float(whole), "account": float(len(accounts) - whole)}
    lines = [
        *family("uc_role_ready", "gauge", "1 when the role is ready.", "role", ready),
        *family("uc_calls", "gauge", "Calls that are up, by state.", "state", states),
        *family("uc_edge_calls", "gauge", "Calls that an edge has.", "edge", edges),
        *family("uc_registrations", "gauge", "Devices registered.", "", {"": notify.registered_devices()}),
        *family("uc_bans", "gauge", "Bans that hold now.", "of", bans),
        *family("uc_calls_ended_total", "counter", "Calls ended.", "result", notify.ended_calls()),
    ]
    return "\n".join(lines) + "\n"


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    if not request.near and not getattr(request.user, "is_admin", False):
        return HttpResponseForbidden("Ask from this machine, or sign in as administrator.\n")
    return HttpResponse(report(), content_type="text/plain; version=0.0.4; charset=utf-8")
