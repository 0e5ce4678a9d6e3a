"""The private Redis: reached by a unix socket only, keeps what it was told in an append-only file."""

from pathlib import Path

from ucplatform.embedded import programs


def command(data: Path, socket: Path) -> tuple[str, ...]:
    """The server's command line; its files are in <data>/redis."""
    directory = data / "redis"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
        "loglevel": "notice",
        "maxmemory-policy": "noeviction",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return (programs.redis_server(), *arguments)
