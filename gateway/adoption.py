"""Which rulebook is in force: the one configured, or the last that two persons adopted.

1. A configured rulebook that does not hold together never takes the place of one in force.
2. With `[policy] adoption = "two-person"` nor does any other, until a second person approved it.

Either way the gateway goes on with the one it kept, and the operator is told.
Source: DESIGN section 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.config import Config
from gateway.instance import rulebook_texts
from gateway.law import Law
from gateway.store import rulebooks
from gateway.store.engine import Connection
from policies.problem import BadRulebook
from policies.rulebook import load_rulebook

Trouble = Literal["rulebook-not-adopted", "rulebook-broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """The law to decide by, its files, and what the operator must hear of it."""

    law: Law
    texts: Mapping[str, str]
    trouble: tuple[Trouble, str] | None = None  # code and subject: of a digest, or of a file


def configured_texts(config: Config) -> dict[str, str]:
    """Return the files of the rulebook the configuration names, else of the one shipped.

    Raises:
        BadRulebook: they cannot be read.
    """
    own = config.policy.rulebook
    return rulebook_texts(config.path(own) if own else None)


def law_in_force(config: Config, connection: Connection) -> Adopted:
    """Return the law an instance decides by. Reads only.

    Raises:
        BadRulebook: the configured one does not hold together, and none is kept that was in force;
            ``not-adopted``: it is another than the one in force, whose files were not kept.
    """
    current = rulebooks.in_force(connection)
    kept = rulebooks.texts_of(connection, current) if current else None
    try:
        texts: Mapping[str, str] = configured_texts(config)
        found = load_rulebook(texts)
    except BadRulebook as error:
        if kept is None:
            raise
        return _as_before(kept, ("rulebook-broken", f"{error.file}:{error.code}"))
    if config.policy.adoption == "configured" or current in (None, found.digest):
        return Adopted(law=Law(rulebook=found), texts=texts)
    if kept is None:
        raise BadRulebook("not-adopted", file="rulebook", reason="propose it: policy adopt")
    return _as_before(kept, ("rulebook-not-adopted", found.digest[:16]))


def _as_before(kept: Mapping[str, str], trouble: tuple[Trouble, str]) -> Adopted:
    return Adopted(law=Law(rulebook=load_rulebook(kept)), texts=kept, trouble=trouble)
