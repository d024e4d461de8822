"""`verify certificate`: may mail be sealed to it? Offline: nothing is fetched."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from gateway import clock
from gateway.cli.light import NO, OK, BadUse, read_file, show
from keys.chain import Revocation, Unverified, Verified, verify_chain


def certificate(
    chain: Path,
    *,
    anchors: Path,
    address: str,
    at: str | None,
    crls: Sequence[Path] = (),
    answers: Sequence[Path] = (),
    revocation: Revocation = "when-stated",
    as_json: bool = False,
) -> int:
    """Say whether the chain vouches for the address: exit 0 yes, 1 no, with every reason.

    Args:
        chain: PEM, the recipient's certificate first.
        anchors: PEM of what is trusted.
        address: Whose it must be.
        at: RFC 3339 time to judge by; now if None.
        crls: DER or PEM.
        answers: OCSP answers, DER.
        revocation: As `keys.chain.verify_chain`.
        as_json: Report the verdict as JSON.

    Raises:
        BadUse: the time cannot be read.
        OSError: a file cannot be read.
    """
    verdict = verify_chain(
        read_file(chain).decode("ascii", "replace"),
        read_file(anchors).decode("ascii", "replace"),
        address=address,
        at=_time(at),
        crls=[read_file(path) for path in crls],
        ocsp=[read_file(path) for path in answers],
        revocation=revocation,
    )
    show(json.dumps(_as_json(verdict))) if as_json else _show(verdict)
    return OK if isinstance(verdict, Verified) else NO


def _time(text: str | None) -> datetime:
    if text is None:
        return clock.now()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadUse("--at is a time with its offset, as 2026-12-01T09:00:00Z")
    return moment


def _as_json(verdict: Verified | Unverified) -> dict[str, object]:
    if isinstance(verdict, Unverified):
        reasons = [{"code": one.code, "text": one.text} for one in verdict.reasons]
        return {"verified": False, "reasons": reasons}
    return {
        "verified": True,
        "fingerprint": verdict.fingerprint,
        "valid_until": verdict.valid_until.isoformat(),
        "vouched_until": verdict.vouched_until.isoformat(),
    }


def _show(verdict: Verified | Unverified) -> None:
    if isinstance(verdict, Unverified):
        for one in verdict.reasons:
            show(f"refused: {one.code}: {one.text}")
        return
    show(f"ok: {verdict.fingerprint}")
    show(f"  valid until {verdict.valid_until.isoformat()}")
    show(f"  ask again by {verdict.vouched_until.isoformat()}")
