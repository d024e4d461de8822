"""Debian's Postfix on loopback: its own configuration, queue, certificate and mailboxes.

It delivers to Maildirs of its own and to nowhere else, takes nothing without TLS, and takes mail
for a mailbox it does not have, so that what comes back is a report and not a refusal.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import trustme

from tests.support.servers import require

DOMAIN: Final = "desk.example.org"  # of the mailboxes it has
HOST: Final = "127.0.0.1"
_DELIVERS_AS: Final = 65534  # nobody: Postfix delivers as anyone but root
_READY_S: Final = 30
_DAEMONS: Final = Path("/usr/lib/postfix/sbin")

_MAIN = """\
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/state
daemon_directory = {daemons}
command_directory = /usr/sbin
maillog_file = {root}/postfix.log
maillog_file_prefixes = {root}
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = mail.{domain}
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {root}/mailboxes
virtual_mailbox_maps = inline:{{ {mailboxes} }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
virtual_minimum_uid = 100
recipient_delimiter = +
default_transport = error:nothing leaves this machine
relay_transport = error:nothing leaves this machine
smtpd_reject_unlisted_recipient = no
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = {root}/certificate.pem
smtpd_tls_key_file = {root}/key.pem
smtpd_tls_loglevel = 1
smtpd_tls_session_cache_database =
smtp_tls_session_cache_database =
"""

_MASTER = """\
{host}:{starttls} inet n - n - - smtpd
{host}:{tls} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailTransfer:
    """A running Postfix."""

    starttls_port: int
    tls_port: int
    client_context: ssl.SSLContext  # trusts its certificate and no other
    root: Path

    def maildir(self, mailbox: str) -> Path:
        """Return the Maildir of one of its mailboxes, by local part."""
        return self.root / "mailboxes" / mailbox

    def arrived(self, mailbox: str) -> list[bytes]:
        """Return what lies in a mailbox unread."""
        new = self.maildir(mailbox) / "new"
        return [path.read_bytes() for path in sorted(new.glob("*"))]

    def log(self) -> str:
        """Return what it has logged."""
        path = self.root / "postfix.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""


@contextlib.asynccontextmanager
async def postfix(*mailboxes: str) -> AsyncIterator[MailTransfer]:
    """Run a Postfix with these mailboxes, by local part, until the block ends.

    Skips, or fails under CI=true, where Postfix is missing or may not be started.
    """
    program = require("postfix", "postfix")
    if os.geteuid() != 0:
        _missing("the superuser's account, which alone may start Postfix,")
    with tempfile.TemporaryDirectory(prefix="postfix-", ignore_cleanup_errors=True) as folder:
        transfer = _configured(Path(folder), mailboxes)
        config = f"{folder}/config"
        started = await asyncio.create_subprocess_exec(
            program,
            "-c",
            config,
            "start-fg",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await _ready(transfer, started)
            yield transfer
        finally:
            stop = await asyncio.create_subprocess_exec(
                program,
                "-c",
                config,
                "abort",
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            await stop.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(10):
                    await started.wait()
            if started.returncode is None:
                started.kill()
                await started.wait()


def _configured(root: Path, mailboxes: tuple[str, ...]) -> MailTransfer:
    root.chmod(0o755)  # its daemons run as users of their own
    starttls, tls = _free_ports(2)
    for name in ("config", "queue", "state", "mailboxes"):
        (root / name).mkdir(mode=0o755)
    shutil.chown(root / "state", "postfix", "postfix")
    for mailbox in mailboxes:
        os.chown(_maildir(root / "mailboxes" / mailbox), _DELIVERS_AS, _DELIVERS_AS)
    os.chown(root / "mailboxes", _DELIVERS_AS, _DELIVERS_AS)
    authority = trustme.CA()
    certificate = authority.issue_cert(HOST, "localhost")
    certificate.cert_chain_pems[0].write_to_path(root / "certificate.pem")
    certificate.private_key_pem.write_to_path(root / "key.pem")
    (root / "key.pem").chmod(0o600)
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # older Pythons leave it to the system
    authority.configure_trust(context)
    lookup = ", ".join(f"{{ {box}@{DOMAIN} = {box}/ }}" for box in mailboxes)
    (root / "config" / "main.cf").write_text(
        _MAIN.format(
            root=root, daemons=_DAEMONS, domain=DOMAIN, mailboxes=lookup, uid=_DELIVERS_AS
        ),
        "ascii",
    )
    (root / "config" / "master.cf").write_text(
        _MASTER.format(host=HOST, starttls=starttls, tls=tls), "ascii"
    )
    return MailTransfer(starttls_port=starttls, tls_port=tls, client_context=context, root=root)


def _maildir(path: Path) -> Path:
    path.mkdir()
    for name in ("new", "cur", "tmp"):
        (path / name).mkdir()
        os.chown(path / name, _DELIVERS_AS, _DELIVERS_AS)
    return path


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as sockets:
        bound = [sockets.enter_context(socket.socket()) for _ in range(number)]
        for one in bound:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in bound]


async def _ready(transfer: MailTransfer, started: asyncio.subprocess.Process) -> None:
    """Wait until both ports answer."""
    async with asyncio.timeout(_READY_S):
        for port in (transfer.starttls_port, transfer.tls_port):
            while True:
                assert started.returncode is None, transfer.log()
                try:
                    _, writer = await asyncio.open_connection(HOST, port)
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                break


def _missing(what: str) -> None:
    text = f"{what} is missing: its checks did not run"
    if os.environ.get("CI") == "true":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)
