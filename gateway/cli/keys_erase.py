"""`keys erase-person`: propose to destroy a person's data key, and all that is held of them."""

import re
from pathlib import Path
from typing import Final

from gateway.cli.approvals import approving, say_proposed
from gateway.cli.beside import commit, staff
from gateway.cli.exits import NO, Trouble
from gateway.config import load_config
from gateway.model.ids import PersonRef
from gateway.store.erasure import NobodyKnown

_REF: Final = re.compile(r"per_[0-9a-f]{32}")
_REASON: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")


def erase_person(config_file: Path, ref: str, *, by: str, reason: str, as_json: bool) -> int:
    """Propose to erase a person beside a serving gateway; a second person carries it out."""
    if not _REF.fullmatch(ref):
        raise Trouble("give the record's reference, per_ and 32 hex digits; `person show` has it")
    if not _REASON.fullmatch(reason):
        raise Trouble(
            "--reason: a code for the log: lower-case letters, digits, hyphens (at most 40)"
        )
    config = load_config(config_file)
    unit = approving(config).propose_erasure(PersonRef(ref), reason=reason, by=staff(by))
    try:
        id_ = commit(config, unit)
    except NobodyKnown:
        raise Trouble("nobody known is meant by that", NO) from None
    return say_proposed(id_, f"erase {ref}", as_json=as_json)
