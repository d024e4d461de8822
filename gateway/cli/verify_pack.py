"""`verify pack`: an evidence pack that somebody else made. No gateway, no network."""

import json
from pathlib import Path

from gateway.audit.check_pack import MAX_PACK_BYTES, BadPack, Checked, check_pack, keys_in
from gateway.cli.light import NO, OK, BadUse, read_file, show
from gateway.disclosure_log.checkpoint import VerifierKey
from gateway.disclosure_log.problem import BadKey


def pack(file: Path, *, key: str | None, as_json: bool) -> int:
    """Check every entry of a pack: exit 0 if all are in the log, 1 if one is not.

    Args:
        file: The ZIP.
        key: vkey of the log, or a file that holds it; None: the pack's own word for it.
        as_json: Report as JSON.

    Raises:
        BadUse: there is no such file or key, or it is no pack.
    """
    content = read_file(file, MAX_PACK_BYTES)
    try:
        verifiers = (_key(key),) if key is not None else keys_in(content)
        checked = check_pack(content, verifiers)
    except BadPack as error:
        raise BadUse(f"no evidence pack: {error.code}") from None
    ok = bool(checked.holding) and not checked.failing
    if as_json:
        show(json.dumps(_plain(checked, ok=ok, own_word=key is None)))
        return OK if ok else NO
    for index, code in checked.failing:
        show(f"not verified: entry {index}: {code}")
    whose = "; the key is the one the pack itself states" if key is None else ""
    total = len(checked.holding) + len(checked.failing)
    verdict = "ok" if ok else "not verified"
    show(f"{verdict}: {len(checked.holding)} of {total} entries are in the log{whose}")
    return OK if ok else NO


def _key(text: str) -> VerifierKey:
    try:
        return VerifierKey.parse(text)
    except BadKey:
        pass
    try:
        return VerifierKey.parse(read_file(Path(text), 4096).decode())
    except (BadKey, UnicodeDecodeError):
        raise BadUse("--vkey: not a log's verifier key, nor a file that holds one") from None


def _plain(checked: Checked, *, ok: bool, own_word: bool) -> dict[str, object]:
    return {
        "ok": ok,
        "holding": list(checked.holding),
        "failing": [{"entry": index, "code": code} for index, code in checked.failing],
        "key_from_pack": own_word,
    }
