"""`verify webhook`: a Standard Webhooks signature over a body, without an instance."""

import json
import time
from pathlib import Path
from typing import Final

from gateway.cli.light import NO, OK, BadUse, read_file, show
from keys.problem import KeyProblem
from keys.webhook_signature import verify

_MAX_HEADERS: Final = 64 << 10


def signature(
    body: Path, headers: Path, *, secret: str | None, public_key: str | None, now: int | None
) -> int:
    """Say whether the signature verifies.

    Raises:
        BadUse: neither or both of the keys are given, or the headers are no JSON object.
        OSError: a file cannot be read.
    """
    if (secret is None) == (public_key is None):
        raise BadUse("give --secret whsec_... or --public-key whpk_...")
    given = _headers(headers)
    try:
        verify(
            [secret or public_key or ""],
            message_id=given.get("webhook-id", ""),
            timestamp=given.get("webhook-timestamp", ""),
            signature=given.get("webhook-signature", ""),
            body=read_file(body),
            now=int(time.time()) if now is None else now,
        )
    except KeyProblem as error:
        show(f"not verified: {error.code}")
        return NO
    show("ok: the signature verifies")
    return OK


def _headers(file: Path) -> dict[str, str]:
    try:
        value = json.loads(read_file(file, _MAX_HEADERS))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BadUse(f"{file} must hold a JSON object of headers")
    return {name.lower(): str(text) for name, text in value.items()}
