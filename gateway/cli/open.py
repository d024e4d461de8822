"""`open`: an alert, with the recipient's own key. Needs no instance."""

import base64
import json
import sys
from pathlib import Path
from typing import Any, Final

from gateway.cli.light import NO, OK, read_file, say
from keys.certificates import fingerprint, parse_certificate
from keys.problem import CannotOpen, KeyProblem
from keys.seal import is_batch, open_batch, open_mail, open_sealed

_THE_ONLY_ONE: Final = "-"
_MAX_KEY: Final = 64 << 10


def open_file(
    file: Path,
    key: Path,
    *,
    form: str | None = None,
    accept_cbc: bool = False,
    signed_by: Path | None = None,
) -> int:
    """Write the plaintext, or one form the alert comes in, to standard output; or say why not. Of a
    webhook body of several alerts each is written on a line of its own.

    Args:
        file: A webhook body, of one alert or of several, a token, a mail or a CMS file.
        key: The recipient's private key.
        form: As ``visor:xml``; ``-`` for the only one.
        accept_cbc: Also mail in AES-256-CBC.
        signed_by: PEM certificate: only mail signed under exactly this one is opened.

    Raises:
        OSError: a file cannot be read.
    """
    blob = read_file(file)
    private = read_file(key, _MAX_KEY)
    if is_batch(blob) and signed_by is None:
        return _open_each(blob, private, form)
    try:
        if signed_by is None:
            plaintext = open_sealed(blob, private, accept_cbc=accept_cbc)
        else:
            plaintext = _signed_by(read_file(signed_by, _MAX_KEY), blob, private, accept_cbc)
    except KeyProblem as error:
        say(f"refused: {error}")
        return NO
    if form is None:
        sys.stdout.buffer.write(plaintext)
        sys.stdout.buffer.write(b"\n" if sys.stdout.isatty() else b"")
        return OK
    made: list[dict[str, Any]] = json.loads(plaintext)["alert"].get("renditions", [])
    chosen = [one for one in made if form in (one["form"], _THE_ONLY_ONE)]
    if len(chosen) != 1:
        forms = ", ".join(one["form"] for one in made) or "no form but its own"
        say(f"refused: this alert comes in {forms}")
        return NO
    sys.stdout.buffer.write(base64.b64decode(chosen[0]["body"]))
    return OK


def _open_each(blob: bytes, private: bytes, form: str | None) -> int:
    if form is not None:
        say("refused: --form is of one alert, and this body holds several")
        return NO
    code = OK
    try:
        for name, opened in open_batch(blob, private):
            if isinstance(opened, CannotOpen):
                say(f"refused: {name}: {opened}")
                code = NO
            else:  # between the tokens of JSON a line's end is but a space
                sys.stdout.buffer.write(b" ".join(opened.splitlines()) + b"\n")
    except KeyProblem as error:
        say(f"refused: {error}")
        return NO
    return code


def _signed_by(certificate: bytes, blob: bytes, private: bytes, accept_cbc: bool) -> bytes:
    wanted = parse_certificate(certificate.decode("ascii", "replace"))
    opened = open_mail(blob, private, accept_cbc=accept_cbc)
    if opened.signer != fingerprint(wanted):
        raise CannotOpen("signer", "not signed under that certificate")
    return opened.content
