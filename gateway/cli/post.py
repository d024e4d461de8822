"""`post`: sign and send events as an agency would."""

import asyncio
import hashlib
import io
import re
import ssl
import time
from pathlib import Path

import aiohttp
import orjson
import typer
from rich.console import Console
from rich.progress import track

from gateway.cli.exits import NO, OK, UNKNOWN, Trouble, read_file
from gateway.receive import AGENCY_HEADER, BATCH, MAX_BATCH_BYTES, STRUCTURED
from keys.signing import SigningKey
from keys.webhook_signature import sign

_SAFE_ID = re.compile(r"[A-Za-z0-9_\-]{1,64}")


def post_files(
    files: list[Path],
    *,
    agency: str,
    key: Path,
    url: str,
    adapter: str | None,
    ca_file: Path | None,
) -> int:
    """Post each file; say what became of each; exit 0 only if all were accepted."""
    signer = signer_from(read_file(key, 4096).decode("ascii", "replace").strip())
    bodies = {file: read_file(file, MAX_BATCH_BYTES) for file in files}
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return asyncio.run(_post_all(bodies, agency, signer, url, adapter, context))


async def _post_all(
    bodies: dict[Path, bytes],
    agency: str,
    signer: SigningKey | str,
    url: str,
    adapter: str | None,
    context: ssl.SSLContext,
) -> int:
    code = OK
    console = Console(stderr=True)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        for file, body in track(
            bodies.items(), "Posting", console=console, disable=not console.is_terminal
        ):
            try:
                status, answer = await send(session, url, agency, signer, body, adapter=adapter)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise Trouble(f"{url} cannot be reached: {error}", UNKNOWN) from None
            typer.echo(f"{file}: {status} {answer.decode('utf-8', 'replace')}")
            if status != 202:
                code = NO
    return code


async def send(
    session: aiohttp.ClientSession,
    url: str,
    agency: str,
    signer: SigningKey | str,
    body: bytes,
    *,
    adapter: str | None = None,
) -> tuple[int, bytes]:
    """Sign one body and post it; returns status and answer. Repeats under one id are safe."""
    path = f"/v1/events/{adapter}" if adapter else "/v1/events"
    async with session.post(
        url.rstrip("/") + path,
        data=io.BytesIO(body),  # in pieces: a batch may be long
        headers=signed_headers(agency, signer, body, adapter),
    ) as response:
        return response.status, await response.read()


def signed_headers(
    agency: str, signer: SigningKey | str, body: bytes, adapter: str | None = None
) -> dict[str, str]:
    """Return the headers of a signed post. Reads the clock."""
    id_ = message_id(body)
    timestamp = int(time.time())
    return {
        "content-type": "application/json" if adapter else _media_type(body),
        AGENCY_HEADER: agency,
        "webhook-id": id_,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign([signer], id_, timestamp, body),
    }


def message_id(body: bytes) -> str:
    """Return the id a body is posted under: the event's own if it can be one, else its digest.

    The same file posted twice is the same request; the same event id with other content is a
    conflict the gateway must see.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    own = value.get("id") if isinstance(value, dict) else None
    if isinstance(own, str) and _SAFE_ID.fullmatch(own):
        return own
    return "msg_" + hashlib.sha256(body).hexdigest()[:40]


def _media_type(body: bytes) -> str:
    return BATCH if body.lstrip()[:1] == b"[" else STRUCTURED


def signer_from(text: str) -> SigningKey | str:
    """Return what signs: an Ed25519 key (whsk_) or a shared secret (whsec_)."""
    return text if text.startswith("whsec_") else SigningKey.parse(text)
