"""`verify proof`: is this entry in the log, and did enough witnesses see it? Offline, no instance.

With the base dependencies alone: recipients run it.
"""

from pathlib import Path
from typing import Final

from gateway.cli.light import NO, OK, BadUse, read_file, show
from gateway.disclosure_log import proof as log_proof
from gateway.disclosure_log.checkpoint import parse_checkpoint
from gateway.disclosure_log.note import MAX_NOTE_BYTES, VerifierKey
from gateway.disclosure_log.problem import BadCheckpoint, BadKey, BadProof
from gateway.disclosure_log.trust_policy import MAX_POLICY_BYTES, BadPolicy, TrustPolicy

_MAX_PROOF: Final = MAX_NOTE_BYTES + (64 << 10)
_MAX_ENTRY: Final = 0xFFFF
_MAX_VKEY: Final = 4096


def proof(file: Path, *, entry: Path, vkey: str | None, policy: Path | None) -> int:
    """Say whether a proof holds: 0 if it does, 1 if not.

    Args:
        file: tlog-proof text.
        entry: The entry's exact bytes.
        vkey: The log's key, or a file that holds it; None: the policy names it.
        policy: Whose witnesses must have cosigned.

    Raises:
        BadUse: a key or a policy is none, or no log's key is given at all.
        OSError: a file cannot be read.
    """
    trusted = _policy(policy) if policy else None
    verifiers = [_key(vkey)] if vkey else []
    if not verifiers and not (trusted and trusted.logs):
        raise BadUse("give the log's key: --vkey, or a --policy with a log line")
    body = read_file(entry, _MAX_ENTRY)
    try:
        text = read_file(file, _MAX_PROOF).decode("utf-8")
        found = log_proof.verify(text, entry=body, verifiers=verifiers, policy=trusted)
    except UnicodeDecodeError:
        show("not verified: not-utf8")
        return NO
    except (BadProof, BadCheckpoint) as error:
        show(f"not verified: {error.code}")
        return NO
    size = parse_checkpoint(found.checkpoint).size
    show(f"ok: entry {found.index} of a log of {size} entries{_seen(found.checkpoint, trusted)}")
    return OK


def _seen(note: str, policy: TrustPolicy | None) -> str:
    """Return who cosigned, as far as anybody's word was asked for."""
    if policy is None:
        return "; no witness was asked for"
    # Names are octets of the policy file: what is no text of any kind is shown as a mark.
    names = sorted(policy.cosigned_by(note))
    named = ", ".join(names).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return f", witnessed by {named}" if named else ", and the policy asks for no witness"


def _key(given: str) -> VerifierKey:
    text = given
    if "+" not in given:
        text = read_file(Path(given), _MAX_VKEY).decode("utf-8", "replace")
    try:
        return VerifierKey.parse(text)
    except BadKey as error:
        raise BadUse(f"--vkey: no log's key: {error.code}") from None


def _policy(file: Path) -> TrustPolicy:
    try:
        return TrustPolicy.parse(read_file(file, MAX_POLICY_BYTES))
    except BadPolicy as error:
        raise BadUse(f"{file}: {error}") from None
