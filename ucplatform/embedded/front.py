"""Caddy's configuration: one port for HTTP, one for HTTPS; `/sip` to the edge, files, all else to web.

On a LAN Caddy is its own certificate authority. Certificates are made at the start for every name and address
of this machine; a client that asks for another name gets the first of them, so nobody can make it issue more.
"""

import json
import socket
from dataclasses import dataclass
from pathlib import Path

from ucplatform.embedded.address import Address

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Front:
    """`names` are what this machine is called, most public first; `public_name` gets a certificate from Let's
    Encrypt; `edges` are balanced; `trusted` are addresses of proxies whose X-Forwarded-For is believed."""

    http: Address
    https: Address
    web: Address
    edges: tuple[Address, ...]
    data: Path
    names: tuple[str, ...]
    public_name: str = ""
    trusted: tuple[str, ...] = ()

    def caddyfile(self) -> str:
        parts = [
            self._options(),
            SNIPPET.format(
                edges=" ".join(map(self._upstream, self.edges)),
                balance=BALANCE if len(self.edges) > 1 else "",
                web=self._upstream(self.web),
                static=_quoted(self.data / "static"),
            ),
            _site(f"http://:{self.http.port}", self.http, ""),
            _site(self._secure_names(), self.https, "\ttls internal\n"),
        ]
        if self.public_name:
            parts.append(_site(f"https://{self.public_name}:{self.https.port}", self.https, ""))
        return "\n".join(parts)

    def _options(self) -> str:
        trusted = f"\t\ttrusted_proxies static {' '.join(self.trusted)}\n" if self.trusted else ""
        return OPTIONS.format(
            storage=_quoted(self.data / "caddy"),
            name=self.names[0],
            http=self.http.port,
            https=self.https.port,
            trusted=trusted,
        )

    def _secure_names(self) -> str:
        names = dict.fromkeys([*self.names, *LOCAL_NAMES])
        names.pop(self.public_name, None)
        bracketed = (f"[{name}]" if ":" in name else name for name in names)
        return ", ".join(f"https://{name}:{self.https.port}" for name in bracketed)

    @staticmethod
    def _upstream(address: Address) -> str:
        return f"unix/{address.path}" if address.path else str(address.reachable)

    def write(self) -> Path:
        """Write <data>/run/Caddyfile and return its path."""
        path = self.data / "run" / "Caddyfile"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(self.caddyfile())
        return path


def _quoted(path: Path) -> str:
    return json.dumps(str(path))


def _site(names: str, bind: Address, tls: str) -> str:
    return f"{names} {{\n\tbind {bind.host}\n{tls}\timport house\n}}\n"


def machine_names(domain: str, addresses: list[str], more: list[str]) -> tuple[str, ...]:
    """What a browser may call this machine: its addresses first (they are what the LAN link shows)."""
    host = socket.gethostname().lower()
    wanted = [*addresses, host, f"{host}.local", domain, *(name.lstrip(".") for name in more)]
    return tuple(dict.fromkeys(name for name in wanted if name))


# No administration port, nothing asked of or told to the network: certificates are local or Let's Encrypt's.
# default_sni: a client that opens a bare address names no host; fallback_sni: one that names an unknown host.
OPTIONS = """{{
	admin off
	persist_config off
	skip_install_trust
	ocsp_stapling off
	auto_https disable_redirects
	http_port {http}
	https_port {https}
	storage file_system {storage}
	default_sni {name}
	fallback_sni {name}
	grace_period 1s
	log {{
		output stderr
		format json
		level INFO
	}}
	servers {{
		protocols h1 h2
{trusted}		timeouts {{
			read_header 10s
			idle 5m
		}}
	}}
}}
"""

# X-UC-… is the front's own word: what a client sends under these names, in either spelling that Django folds
# together, is taken away. Unhashed files revalidate by their ETag; hashed ones never change.
SNIPPET = """(house) {{
	request_header -X-UC-*
	request_header -X_UC_*
	request_header -X_Forwarded_*

	handle /healthz/front {{
		respond "ready" 200
	}}
	handle /sip {{
		reverse_proxy {edges} {{
			import told
{balance}		}}
	}}
	handle_path /static/* {{
		root * {static}
		encode zstd gzip
		@hashed path /app/assets/*
		@plain not path /app/assets/*
		header @plain Cache-Control "public, no-cache"
		header @hashed Cache-Control "public, max-age=31536000, immutable"
		header X-Content-Type-Options nosniff
		file_server
	}}
	handle {{
		encode zstd gzip
		reverse_proxy {web} {{
			import told
			lb_try_duration 3s
			lb_try_interval 100ms
		}}
	}}
}}

(told) {{
	header_up X-UC-Peer {{remote_host}}
	header_up X-UC-Forwarded {{http.request.header.X-Forwarded-For}}
	header_up X-UC-Local {{http.request.local.host}}
}}
"""

# A browser's WebSockets all go to one edge while that is there: its session's cookie decides, of a telephone
# its address. Whoever comes elsewhere is served as well, by way of the edge that has its calls.
BALANCE = """			lb_policy header Cookie {
				fallback client_ip_hash
			}
			lb_try_duration 3s
			lb_try_interval 100ms
			fail_duration 2s
"""
