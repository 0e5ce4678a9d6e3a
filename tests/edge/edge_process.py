"""A whole edge, without a database, and a responder in place of call control unless that is asked for:
`python -m tests.edge.edge_process JSON`.
"""

import json
import logging
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ucplatform.edge.loop import install

install()

from tests.edge.responder import Responder  # noqa: E402  after install
from ucplatform.edge.house import house_of  # noqa: E402
from ucplatform.edge.limits import Limits  # noqa: E402
from ucplatform.edge.process import Database, Edge  # noqa: E402
from ucplatform.edge.server import EdgeServer  # noqa: E402
from ucplatform.edge.switchboard import Switchboard  # noqa: E402
from ucplatform.pbx.ports import Account  # noqa: E402


def main() -> None:
    """Run until SIGTERM. The argument overrides settings; ingested records go to a file `records`.

    `accounts`: rows for Account; `house`: with call control.
    """
    given = json.loads(sys.argv[1])
    data = Path(given["UC_DATA_DIR"])
    defaults = {
        "UC_EDGE_ID": "1",
        "UC_EDGE_LINK": "",
        "UC_SECRET_KEY": "a secret of tests",
        "UC_DOMAIN": "phone.local",
        "UC_TRACE_DIR": data / "trace",
        "UC_EDGE_SOCKET": f"unix:{data / 'edge.sock'}",
        "UC_SIP_UDP": "127.0.0.1:0",
        "UC_SIP_TCP": "127.0.0.1:0",
        "UC_SIP_TLS": "127.0.0.1:0",
        "UC_TLS_CERT": "",
        "UC_TLS_KEY": "",
        "UC_TLS_DIR": "",
        "UC_TLS_CLIENT_CA": "",
        "UC_TLS_CLIENT_REQUIRED": False,
        "UC_MEDIA_ENGINES": ["127.0.0.1:9"],
        "UC_MEDIA_ADDRESSES": "loop=127.0.0.1",
        "UC_SIP_TRUSTED": [],
        "UC_ALLOWED_ORIGINS": ["https://partner.example"],
    }
    settings = SimpleNamespace(**{**defaults, **given})

    def ingest(records: list[dict]) -> None:
        with (data / "records").open("a") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)

    database = Database(
        accounts=lambda: [Account(*row) for row in given.get("accounts", [("200", "Ana", None, "", "")])],
        version=lambda: 1,
        options=lambda: {},
        ingest=ingest,
        transient=(OSError,),
    )
    switchboard = partial(call_control, settings) if given.get("house") else Bench
    edge = Edge(settings, database, switchboard, Limits(**given.get("limits", {})))
    server = EdgeServer(
        edge.app, settings.UC_EDGE_SOCKET, limits=edge.limits, on_start=edge.start, on_stop=edge.stop
    )
    server.run()


def call_control(settings: SimpleNamespace, **parts: Any) -> Switchboard:
    """The switchboard of the product; no page has a password here."""
    return Switchboard(house=house_of(settings), secret=b"nonces", page_password=lambda name: None, **parts)


class Bench(Responder):
    """A responder that leaves one of each at the end: a value, a record, a trace entry."""

    async def stop(self) -> None:
        self.parts["store"].put("uc:reg:200", "[]")
        self.parts["journal"].append({"id": "last words"})
        self.parts["trace"].event("c-1", None, 1.0, "stopped", {})


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s", stream=sys.stdout)
    main()
