"""One mailbox of the NHS Message Exchange for Social Care and Health (MESH), over HTTPS.

Carries bytes and MESH's own metadata, which its operator can read: nothing personal goes into an
address, a header or a file name. Errors hold codes, never a body, a subject, a file name or the
far side's words. No redirect is followed, no proxy or cookie used. Nothing is tried twice here:
whoever asked knows when to ask again.

Source: MESH API, ``application/vnd.mesh.v2+json``.
"""

import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar
from aiohttp.abc import AbstractResolver
from yarl import URL

from gateway.channels.addresses import check_https_url
from gateway.channels.http_client import MAX_REPLY_BYTES, USER_AGENT, retry_delay
from gateway.channels.outbound import OutboundPolicy, guarded_connector
from gateway.channels.tls import verifying_context
from gateway.mesh_mailbox.content import checked, unpacked
from gateway.mesh_mailbox.messages import (
    ANY_BYTES,
    Incoming,
    MeshAccount,
    Outgoing,
    Tracked,
    check_mailbox_id,
    check_workflow_id,
    checked_local_id,
    checked_message_id,
    chunk_count,
    continue_from,
    error_code,
    headers_of,
    members_of,
    report_code,
    token,
)
from gateway.mesh_mailbox.trouble import (
    MeshGone,
    MeshRefusal,
    MeshTrouble,
    MeshUnreadable,
    trouble_of,
)

CHUNK_BYTES: Final = 75 * 1024 * 1024  # the most MESH takes in one request
MAX_LISTED: Final = 50_000  # more wait in the mailbox for the next time it is listed
MAX_LIST_BYTES: Final = 1024 * 1024
TRANSFER_S: Final = 600.0  # the most one request may take, as MESH's own client has it

_PAGE: Final = 500
# What MESH will say again to the same message.
_FOR_GOOD: Final = frozenset({400, 406, 413, 417, 422})


class MeshMailbox:
    """Lists, fetches, acknowledges, sends and tracks."""

    def __init__(
        self,
        *,
        url: str,
        account: MeshAccount,
        policy: OutboundPolicy,
        ssl_context: ssl.SSLContext | None,
        clock: Callable[[], float],
        new_nonce: Callable[[], str],
        timeout_s: float = 20,
        chunk_bytes: int = CHUNK_BYTES,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """Build the client; connections are made when first needed.

        Args:
            url: MESH's address, without ``/messageexchange``.
            account: Mailbox, password and shared key.
            policy: Where requests may go.
            ssl_context: Loaded with the client certificate that MESH asks for; None for the
                system's certificate store and no client certificate.
            clock: Unix seconds.
            new_nonce: Returns a text nobody used before: a UUID.
            timeout_s: The longest wait for a connection, and for each next byte of an answer; a
                whole transfer has ten minutes.
            chunk_bytes: Messages longer than this are sent in several requests.
            resolver: Answers host names in place of the system; its answers are vetted alike.

        Raises:
            BadAddress: url is not one the policy allows.
            BadMailbox: the mailbox id has another form.
        """
        self._root = check_https_url(url, policy=policy).rstrip("/") + "/messageexchange"
        self._account = replace(account, mailbox=check_mailbox_id(account.mailbox))
        self._policy = policy
        self._ssl_context = verifying_context(ssl_context)
        self._clock = clock
        self._nonce = new_nonce()
        self._count = 0
        self._timeout = ClientTimeout(total=TRANSFER_S, connect=timeout_s / 2, sock_read=timeout_s)
        self._chunk_bytes = chunk_bytes
        self._resolver = resolver
        self._session: ClientSession | None = None

    @property
    def mailbox(self) -> str:
        """The mailbox id."""
        return self._account.mailbox

    async def handshake(self) -> None:
        """Prove to MESH that the mailbox is in use, as it asks for every 24 hours.

        Raises:
            MeshTrouble: mesh-403 when password, shared key or certificate are not the mailbox's.
        """
        said = {
            "Mex-ClientVersion": USER_AGENT,
            "Mex-OSName": "N/A",  # required, and none of MESH's business
            "Mex-OSVersion": "N/A",
            "Mex-OSArchitecture": "N/A",
        }
        await self._ask("POST", "", headers=said)

    async def list_inbox(self, *, workflow_id: str | None = None) -> tuple[str, ...]:
        """Return the ids of messages not yet acknowledged, at most `MAX_LISTED`.

        Raises:
            MeshTrouble: no list, or one that is not in MESH's form.
        """
        listed: dict[str, None] = {}
        asked: dict[str, str] = {"max_results": str(_PAGE)}
        if workflow_id is not None:
            asked["workflow_filter"] = check_workflow_id(workflow_id)
        while True:
            page = members_of(await self._ask("GET", "/inbox", asked=asked))
            ids = page.get("messages")
            if not isinstance(ids, list):
                raise MeshTrouble("bad-reply")
            before = len(listed)
            listed.update((checked_message_id(one), None) for one in ids)
            further = continue_from(page.get("links"))
            if not further or len(listed) == before or len(listed) >= MAX_LISTED:
                return tuple(listed)[:MAX_LISTED]
            asked["continue_from"] = further

    async def fetch(self, message_id: str, *, max_bytes: int) -> Incoming:
        """Return one message whole, its chunks put together; acknowledging it is another step.

        Args:
            message_id: As listed.
            max_bytes: Of its content, packed or not.

        Raises:
            MeshGone: acknowledged, expired or never there.
            MeshUnreadable: too-large, or not what its metadata says it is.
            MeshTrouble: anything else.
        """
        path = f"/inbox/{checked_message_id(message_id)}"
        body, headers = await self._chunk(path, max_bytes)
        kind = headers.get("Mex-MessageType", "DATA").upper()
        if kind not in {"DATA", "REPORT"}:
            raise MeshUnreadable("message-type")
        if kind == "DATA":
            count = chunk_count(headers)
            for number in range(2, count + 1):
                chunk, its = await self._chunk(f"{path}/{number}", max_bytes - len(body))
                if its.get("Mex-Chunk-Range") != f"{number}:{count}":
                    raise MeshUnreadable("chunk-range")
                body += chunk
            body = checked(body, headers, max_bytes)
        return Incoming(
            message_id=message_id,
            sender=headers.get("Mex-From", "").upper(),
            workflow_id=headers.get("Mex-WorkflowID", ""),
            local_id=headers.get("Mex-LocalID", ""),
            report=report_code(headers.get("Mex-StatusCode")) if kind == "REPORT" else None,
            body=body,
        )

    async def acknowledge(self, message_id: str) -> None:
        """Take a message out of the inbox. Doing so twice is the same as once.

        Raises:
            MeshGone, MeshTrouble: it may still be there.
        """
        await self._ask("PUT", f"/inbox/{checked_message_id(message_id)}/status/acknowledged")

    async def send(self, message: Outgoing) -> str:
        """Send a message, in as many chunks as it needs, and return MESH's id of it.

        Raises:
            MeshRefusal: MESH will not take it; the code names why, such as mesh-417-12 for a
                recipient it does not know.
            MeshTrouble: with `outcome_unknown` when MESH may have taken it or a part of it:
                `track` tells, and `send_rest` goes on with a part.
        """
        chunks = self._cut(message.body)
        headers = headers_of(message, chunks=len(chunks))
        reply = await self._ask("POST", "/outbox", headers=headers, body=chunks[0])
        try:
            message_id = checked_message_id(members_of(reply).get("message_id"))
            await self.send_rest(message_id, message.body)
        except MeshTrouble as trouble:
            raise MeshTrouble(trouble.code, after=trouble.after, outcome_unknown=True) from None
        return message_id

    async def send_rest(self, message_id: str, body: bytes) -> None:
        """Send what follows the first chunk of a message that MESH has begun to take.

        Raises:
            MeshTrouble: some chunk may be missing; sending each again is safe.
        """
        chunks = self._cut(body)
        for number, chunk in enumerate(chunks[1:], start=2):
            await self._ask(
                "POST",
                f"/outbox/{checked_message_id(message_id)}/{number}",
                headers={"Mex-Chunk-Range": f"{number}:{len(chunks)}", "Content-Type": ANY_BYTES},
                body=chunk,
            )

    async def track(self, local_id: str) -> Tracked | None:
        """Return what became of the message sent under a local id; None: MESH never took one.

        MESH has this as deprecated. Should it go, every answer is None, and whoever is in doubt
        sends twice rather than not at all.

        Raises:
            MeshTrouble: mesh-300 when there are several; it could not be told.
        """
        path = f"/outbox/tracking/{quote(checked_local_id(local_id), safe='')}"
        try:
            members = members_of(await self._ask("GET", path))
        except MeshGone as gone:
            if gone.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        return Tracked(
            message_id=checked_message_id(members.get("messageId") or members.get("message_id")),
            status=str(members.get("status")).lower(),
            recipient=str(members.get("recipient")).upper(),
        )

    async def close(self) -> None:
        """Close the kept-alive connections; a request under way ends as a lost connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _cut(self, body: bytes) -> list[bytes]:
        size = self._chunk_bytes
        return [body[at : at + size] for at in range(0, len(body), size)] or [b""]

    async def _chunk(self, path: str, max_bytes: int) -> tuple[bytes, Mapping[str, str]]:
        async with self._requested("GET", path) as reply:
            return await unpacked(reply, max_bytes), reply.headers.copy()

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        asked: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> bytes:
        limit = MAX_LIST_BYTES if path == "/inbox" else MAX_REPLY_BYTES
        async with self._requested(method, path, asked=asked, headers=headers, body=body) as reply:
            try:
                return await unpacked(reply, limit)
            except MeshUnreadable:
                raise MeshTrouble("bad-reply", outcome_unknown=method == "POST") from None

    @contextlib.asynccontextmanager
    async def _requested(
        self,
        method: str,
        path: str,
        *,
        asked: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> AsyncIterator[ClientResponse]:
        """Make one request; whatever goes wrong with it or with its answer is a MeshTrouble."""
        text = f"{self._root}/{self._account.mailbox}{path}"
        url = URL(f"{text}?{urlencode(asked)}" if asked else text, encoded=True)
        try:
            async with self._open_session().request(
                method,
                url,
                data=body,
                headers={"Authorization": self._token(), **(headers or {})},
                allow_redirects=False,
            ) as reply:
                await self._judge(reply, sending=method == "POST")
                yield reply
        except MeshTrouble:
            raise
        except Exception as error:  # noqa: BLE001  # one family of errors leaves here
            raise trouble_of(error) from None

    async def _judge(self, reply: ClientResponse, *, sending: bool) -> None:
        status = reply.status
        if 200 <= status < 300:
            return
        said = b""
        with contextlib.suppress(MeshUnreadable, ClientError, OSError):  # the status has judged
            said = await unpacked(reply, MAX_REPLY_BYTES)
        code = f"mesh-{status}{error_code(said)}"
        if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            raise MeshGone(code, status=status)
        if status in _FOR_GOOD:
            raise MeshRefusal(code)
        after = retry_delay(reply.headers.get("Retry-After"), clock=self._clock)
        # A 5xx may come from a proxy in front of a MESH that did take the message.
        raise MeshTrouble(code, after=after, outcome_unknown=sending and status >= 500)

    def _token(self) -> str:
        count, self._count = self._count, self._count + 1
        at = datetime.fromtimestamp(self._clock(), UTC)
        return token(self._account, nonce=self._nonce, count=count, at=at)

    def _open_session(self) -> ClientSession:
        # Made at first use: a connector belongs to the running event loop.
        if self._session is None:
            self._session = ClientSession(
                connector=guarded_connector(
                    self._policy, self._ssl_context, resolver=self._resolver
                ),
                cookie_jar=DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                timeout=self._timeout,
                headers={
                    "Accept": "application/vnd.mesh.v2+json",
                    "Accept-Encoding": "gzip",
                    "User-Agent": USER_AGENT,
                },
            )
        return self._session
