"""The roles of the house (docs/architecture.md names them), made from Django's settings."""

import os
import sys
from pathlib import Path
from typing import Any

from ucplatform.embedded import edges, front, redis
from ucplatform.embedded.address import Address, Port
from ucplatform.embedded.plan import LAST_STAGE, Plan, Role
from ucplatform.embedded.probe import BeatProbe, FrontProbe, HttpProbe, NgProbe, RedisProbe, redis_client
from ucplatform.embedded.programs import caddy
from ucplatform.machine import own_addresses

PYTHON = (sys.executable, "-u")
CELERY = (*PYTHON, "-m", "celery", "-A", "ucplatform.celery")
# Threads: tasks wait for the database and the network; a pool of processes starts four times as slowly.
WORKER = ("worker", "--pool", "threads", "--concurrency", "2", "--without-gossip", "--without-mingle")
BEAT = ("beat", "--pidfile=")
# Django's system checks load every view: `make lint` does that, a start need not.
NO_CHECKS = {"CELERY_SKIP_CHECKS": "1"}


def plan(settings: Any) -> Plan:
    """Every role that can run here; the private Redis only where REDIS_URL names no other."""
    roles = [front_role(settings), *python_roles(settings)]
    if not os.environ.get("REDIS_URL", "").strip():
        roles.insert(0, redis_role(settings))
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "ucplatform.settings",
        "UC_DATA_DIR": str(settings.UC_DATA_DIR),
        "REDIS_URL": settings.REDIS_URL,
        "UC_MEDIA_ADDRESSES": settings.UC_MEDIA_ADDRESSES,
        "UC_ROLES": ",".join(settings.UC_ROLES),
    }
    return Plan(tuple(roles), settings.BASE_DIR, settings.UC_DATA_DIR, environment)


def ports(settings: Any, *wanted: tuple[str, str]) -> tuple[Port, ...]:
    """(setting, udp or tcp) pairs as Ports."""
    return tuple(port for name, kind in wanted for port in listeners(name, kind, getattr(settings, name)))


def listeners(name: str, kind: str, text: str) -> list[Port]:
    """The ports of one setting, which may list several addresses."""
    return [Port(name, kind, Address.parse(item)) for item in text.split(",") if item.strip()]


def socket_file(address: Address) -> Path | None:
    return Path(address.path) if address.path else None


def redis_role(settings: Any) -> Role:
    path = Path(settings.REDIS_URL.removeprefix("unix://"))
    return Role(
        name="redis",
        command=redis.command(settings.UC_DATA_DIR, path),
        probe=RedisProbe(redis_client(settings.REDIS_URL)),
        stage=LAST_STAGE,
        first=True,
        gone=path,
    )


def front_role(settings: Any) -> Role:
    http = Address.parse(settings.UC_HTTP)
    house = front.Front(
        http=http,
        https=Address.parse(settings.UC_HTTPS),
        web=Address.parse(settings.UC_WEB_SOCKET),
        edges=tuple(
            Address.parse(edges.numbered(settings.UC_EDGE_SOCKET, place))
            for place in range(settings.UC_EDGES)
        ),
        data=settings.UC_DATA_DIR,
        names=front.machine_names(settings.UC_DOMAIN, own_addresses(), settings.UC_ALLOWED_HOSTS),
        public_name=os.environ.get("UC_PUBLIC_NAME", "").strip().lower(),
        trusted=tuple(settings.UC_SIP_TRUSTED),
    )
    home = str(settings.UC_DATA_DIR / "caddy")
    return Role(
        name="front",
        command=(caddy(), "run", "--adapter", "caddyfile", "--config", str(house.write())),
        probe=FrontProbe(HttpProbe(http.reachable, "/healthz/front"), house.https.reachable),
        ports=ports(settings, ("UC_HTTP", "tcp"), ("UC_HTTPS", "tcp")),
        environment={"XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home},
    )


def python_roles(settings: Any) -> list[Role]:
    client = redis_client(settings.REDIS_URL)
    web = Address.parse(settings.UC_WEB_SOCKET)
    gateway = Address.parse(settings.UC_GATEWAY_NG)
    return [
        Role(
            name="web",
            command=(*PYTHON, "manage.py", "web"),
            probe=HttpProbe(web.reachable, "/healthz/live"),
            ports=ports(settings, ("UC_WEB_SOCKET", "tcp")),
            gone=socket_file(web),
        ),
        *(edge_role(settings, place) for place in range(settings.UC_EDGES)),
        Role(
            name="gateway-1",
            command=(*PYTHON, "-m", "gateway"),
            probe=NgProbe(gateway.reachable),
            ports=ports(settings, ("UC_GATEWAY_NG", "udp"), ("UC_GATEWAY_NG", "tcp")),
        ),
        Role("worker", (*CELERY, *WORKER), BeatProbe(client, "uc:beat:worker"), environment=NO_CHECKS),
        Role("beat", (*CELERY, *BEAT), BeatProbe(client, "uc:beat:beat"), environment=NO_CHECKS),
    ]


def edge_role(settings: Any, place: int) -> Role:
    """The edge at `place` of this machine, from 0."""
    own = edges.environment(settings, place, os.environ)
    page = Address.parse(own["UC_EDGE_SOCKET"])
    return Role(
        name=f"edge-{own['UC_EDGE_ID']}",
        command=(*PYTHON, "manage.py", "edge"),
        probe=HttpProbe(page.reachable, "/healthz"),
        ports=tuple(
            port
            for name in edges.LISTENS
            for port in listeners(name, "udp" if name == "UC_SIP_UDP" else "tcp", own[name])
        ),
        environment=own,
        stage=0,
        gone=socket_file(page),
    )
