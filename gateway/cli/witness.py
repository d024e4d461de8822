"""`witness init, add-log, drop-key, logs, serve, cosign`: a witness, online or by USB stick.

What a witness prints is keys, sizes and signatures; it knows nothing else.
"""

import asyncio
import ipaddress
from contextlib import closing
from pathlib import Path
from typing import Final

import typer

from gateway import clock
from gateway.cli.exits import NO, OK, UNKNOWN, Trouble, read_file
from gateway.disclosure_log.note import VerifierKey, merge, parse_signatures
from gateway.disclosure_log.problem import BadKey
from gateway.witness import witness as core
from gateway.witness.request import MAX_BODY
from gateway.witness.server import Listening
from gateway.witness.server import serve as serve_witness
from gateway.witness.state import StateUnavailable
from gateway.witness.witness import Witness
from keys.problem import KeyProblem

_MAX_VKEY: Final = 4096
_SAYS: Final = {
    "malformed": "that is no checkpoint, or no proof, in the published form",
    "too-long": "that is longer than any checkpoint",
    "old-size": "the proof starts from more entries than the checkpoint has",
    "signature": "no key trusted for this log signed it, or a signature is wrong",
    "unknown-log": "this log is not known here: `throughgate witness add-log DIR VKEY`",
    "empty-root": "an empty log cannot have that root",
    "proof": "REFUSED: it does not follow from what was cosigned before",
    "root": "REFUSED: as many entries as cosigned before, but not the same ones",
}


def init(folder: Path, name: str) -> int:
    """Make a witness and print its public keys."""
    try:
        vkeys = core.create(folder, name)
    except (BadKey, StateUnavailable) as error:
        raise Trouble(_text(error)) from None
    for vkey in vkeys:
        typer.echo(vkey)
    typer.echo(
        f"Its keys are in {folder}, its public keys in {folder / core.VKEYS} too."
        " Next: `throughgate witness add-log DIR VKEY`, then `witness serve --dir DIR`.",
        err=True,
    )
    return OK


def add_log(folder: Path, vkey: str) -> int:
    """Trust a log's key, beside any the log has already."""
    with _opened(folder) as witness:
        try:
            origin = witness.add_log(_vkey(vkey))
        except BadKey as error:
            raise Trouble(f"that is no log's key: {error.code}") from None
        known = witness.state.latest(origin)
    typer.echo(f"{origin}: trusted; last cosigned at {known.size if known else 0} entries")
    return OK


def drop_key(folder: Path, vkey: str) -> int:
    """Trust a log's key no more; what was cosigned of the log stays known."""
    with _opened(folder) as witness:
        try:
            dropped = witness.state.drop_key(VerifierKey.parse(_vkey(vkey)))
        except BadKey as error:
            raise Trouble(f"that is no log's key: {error.code}") from None
    typer.echo("trusted no more" if dropped else "it was not trusted")
    return OK if dropped else NO


def logs(folder: Path) -> int:
    """Print every log this witness knows: origin, size last cosigned, when."""
    with _opened(folder) as witness:
        for origin in witness.state.origins():
            known = witness.state.latest(origin)
            size, at = (known.size, known.cosigned_at) if known else (0, 0)
            typer.echo(f"{origin} {size} {at}")
    return OK


def serve(folder: Path, listening: Listening, *, behind_proxy: bool) -> int:
    """Serve until told to stop."""
    from gateway.operator_log import configure

    if (listening.certificate is None) != (listening.key is None):
        raise Trouble("--tls-certificate and --tls-key go together")
    if listening.certificate is None and not behind_proxy and not _loopback(listening.host):
        raise Trouble(
            "to listen beyond loopback give --tls-certificate and --tls-key,"
            " or --behind-proxy if a proxy does TLS"
        )
    configure()

    def ready(port: int) -> None:
        typer.echo(f"witness on {listening.host} port {port}")

    try:
        asyncio.run(serve_witness(folder, listening, ready))
    except (BadKey, StateUnavailable) as error:
        raise Trouble(_text(error)) from None
    return OK


def cosign(folder: Path, checkpoint: Path, proof: Path | None) -> int:
    """Cosign a checkpoint in hand; print it with this witness's signatures. Commits first."""
    body = read_file(checkpoint, MAX_BODY)
    if proof is not None:
        body = read_file(proof, MAX_BODY).rstrip(b"\n") + b"\n\n" + body
    elif not body.startswith(b"old "):
        body = b"old 0\n\n" + body
    with _opened(folder) as witness:
        try:
            answer = witness.add_checkpoint(body)
        except StateUnavailable as error:
            raise Trouble(str(error), UNKNOWN) from None
    if answer.code == "conflict":
        size = answer.body.strip()
        typer.echo(f"this witness knows {size} entries: bring a proof from there", err=True)
        typer.echo(f"(at the gateway: `throughgate witness request --old {size}`)", err=True)
        return NO
    if answer.code != "cosigned":
        typer.echo(_SAYS[answer.code], err=True)
        return NO
    note = body.partition(b"\n\n")[2].decode()
    typer.echo(merge(note, parse_signatures(answer.body)), nl=False)
    return OK


def _opened(folder: Path) -> "closing[Witness]":
    try:
        return closing(Witness.open(folder, clock.now))
    except (BadKey, KeyProblem, StateUnavailable) as error:
        raise Trouble(_text(error)) from None


def _text(error: Exception) -> str:
    return f"the key cannot be used: {error.code}" if isinstance(error, BadKey) else str(error)


def _vkey(given: str) -> str:
    """Return a vkey given as text or as a file that holds one."""
    if "+" in given:
        return given
    try:
        return read_file(given, _MAX_VKEY).decode("utf-8").strip()
    except UnicodeDecodeError:
        raise Trouble(f"{given} holds no vkey") from None


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
