"""NHS England's own MESH sandbox as a process on loopback, asking every request for its token."""

import contextlib
import importlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from gateway.channels.outbound import OutboundPolicy
from gateway.clock import now
from gateway.mesh_mailbox.client import MeshMailbox
from gateway.mesh_mailbox.messages import MeshAccount
from tests.third_party import missing

SHARED_KEY = "loopback-shared-key"
PASSWORD = "password"  # of each of the sandbox's three mailboxes
OURS, THEIRS, ANOTHER = "X26ABC1", "X26ABC2", "X26ABC3"
WORKFLOW = "THROUGHGATE_ALERT"
LOOPBACK = OutboundPolicy(allowed_networks=(ip_network("127.0.0.0/8"),), allow_plain_http=True)
_STARTS_WITHIN_S = 30.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True, kw_only=True)
class Sandbox:
    """One sandbox; its messages outlive a stop."""

    folder: Path
    port: int = field(default_factory=_free_port)
    arguments: tuple[str, ...] = ()
    scheme: str = "http"
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def start(self) -> None:
        if importlib.util.find_spec("mesh_sandbox") is None:
            missing("the package mesh-sandbox")
        settings = {
            "STORE_MODE": "file",
            "MAILBOXES_DATA_DIR": str(self.folder),
            "AUTH_MODE": "full",
            "SHARED_KEY": SHARED_KEY,
        }
        with (self.folder / "sandbox.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "mesh_sandbox.api:app", "--host", "127.0.0.1",
                 "--port", str(self.port), "--access-log", *self.arguments],
                env={**os.environ, **settings}, stdout=log, stderr=log,
            )  # fmt: skip
        for _ in range(int(_STARTS_WITHIN_S / 0.05)):
            assert self.process.poll() is None, self.log()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.05)
        raise AssertionError(self.log())

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def log(self) -> str:
        return (self.folder / "sandbox.log").read_text("utf-8", "replace")

    def stored(self, mailbox: str) -> list[dict[str, Any]]:
        """Return what the sandbox keeps of the messages to a mailbox, oldest first."""
        kept = [
            json.loads(path.read_text("utf-8"))
            for path in (self.folder / mailbox / "in").glob("*.json")
        ]
        return sorted(kept, key=lambda one: str(one["created_timestamp"]))

    def waiting(self, mailbox: str) -> list[str]:
        """Return the ids of the messages to a mailbox that nobody acknowledged."""
        return [
            one["message_id"]
            for one in self.stored(mailbox)
            if one["events"][0]["status"] == "accepted"
        ]

    def report(self, mailbox: str, *, about: str, local_id: str) -> None:
        """Put a report into a mailbox that nobody collected a message."""
        asked = {
            "mailbox_id": mailbox,
            "workflow_id": WORKFLOW,
            "status": "undeliverable",
            "code": "14",
            "description": "not collected",
            "linked_message_id": about,
            "local_id": local_id,
            "subject": "a subject nobody repeats",
            "file_name": "",
        }
        post(f"{self.url}/messageexchange/admin/report", asked)


def post(url: str, asked: dict[str, str] | None, method: str = "POST") -> None:
    """Ask the sandbox for what no real MESH offers."""
    body = json.dumps(asked).encode() if asked else None
    content = {"Content-Type": "application/json"}
    request = Request(url, data=body, headers=content, method=method)
    with urlopen(request, timeout=10) as reply:
        assert reply.status == 200


def independent_client() -> Any:
    """Return NHS England's own client library."""
    if importlib.util.find_spec("mesh_client") is None:
        missing("the package mesh-client")
    return importlib.import_module("mesh_client")


def a_peer(sandbox: Sandbox, mailbox: str) -> Any:
    """Return NHS England's own client for a mailbox; whoever asks for it closes it."""
    return independent_client().MeshClient(
        sandbox.url, mailbox, PASSWORD, shared_key=SHARED_KEY.encode()
    )


def unix() -> float:
    return now().timestamp()


def nonces() -> Callable[[], str]:
    """Return a source of nonces that tells what it gave."""
    given = iter(range(10_000))
    return lambda: f"nonce-{next(given)}"


def a_mailbox(sandbox: Sandbox, mailbox: str = OURS, **changes: Any) -> MeshMailbox:
    """Return our client for one of the sandbox's mailboxes."""
    account = {"mailbox": mailbox, "password": PASSWORD, "shared_key": SHARED_KEY}
    account |= {name: changes.pop(name) for name in tuple(account) if name in changes}
    settings: dict[str, Any] = {
        "url": sandbox.url,
        "account": MeshAccount(**account),
        "policy": LOOPBACK,
        "ssl_context": None,
        "clock": unix,
        "new_nonce": nonces(),
        "timeout_s": 5,
    }
    return MeshMailbox(**(settings | changes))
