"""Records of processing: what DPA 2018 s.61 and UK GDPR Article 30 ask each controller to keep.

Generated from the rulebook, so that what is written down is what is done. Pure.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

from gateway.audit.answer import Answer, Cell, Column
from gateway.audit.schedule import Way, document_for, in_order, in_words, ways
from policies.catalogue import Catalogues
from policies.rulebook import Rulebook

COLUMNS: Final = (
    Column(name="controller", title="Controller"),
    Column(name="purpose", title="Purpose"),
    Column(name="recipients", title="Categories of recipient"),
    Column(name="bodies", title="Who they are", kind="list"),
    Column(name="data_subjects", title="Categories of data subject", kind="list"),
    Column(name="personal_data", title="Categories of personal data", kind="list"),
    Column(name="regime", title="Regime", kind="list"),
    Column(name="legal_basis", title="Legal basis", kind="list"),
    Column(name="condition", title="Condition for sensitive facts", kind="list"),
    Column(name="policy_document", title="Policy document", kind="list"),
    Column(name="retention", title="Retention", kind="list"),
    Column(name="decided_by", title="Where a person decides", kind="list"),
)

# What is held of whom (s.38(3)): everybody an alert is about, and those its groups speak of.
_SUBJECTS: Final = {
    "": "people convicted or suspected of offences",
    "victim": "victims",
    "children": "children at risk",
    "professionals": "staff of agencies",
}
_REGIMES: Final = {"P3": "DPA 2018 Part 3", "GDPR": "UK GDPR and DPA 2018 Part 2"}
_NO_SCHEDULE: Final = "as the controller's records schedule says"


def ropa(
    rulebook: Rulebook,
    *,
    today: date,
    controller: str | None = None,
    processor: str = "the operator of this gateway",
) -> Answer:
    """Return the records of processing of every controller, or of one.

    Args:
        rulebook: Whose rules and catalogues.
        today: Decides which policy documents are in force.
        controller: An organisation class; None: all.
        processor: The gateway's name.
    """
    found: dict[tuple[str, str, str], list[Way]] = {}
    for way in ways(rulebook, sender=controller):
        found.setdefault((way.sender, way.rule.purpose, way.role), []).append(way)
    catalogues = rulebook.catalogues
    rows = tuple(_row(key, together, catalogues, today) for key, together in found.items())
    controllers = len({sender for sender, _, _ in found})
    return Answer(
        question="ropa",
        title="Records of processing (DPA 2018 s.61, UK GDPR Article 30)",
        asked={
            "rulebook": rulebook.digest,
            "day": today.isoformat(),
            **({"controller": controller} if controller else {}),
        },
        reading=tuple(_reading(controllers, rows, processor)),
        columns=COLUMNS,
        rows=rows,
        entries=(),
        size=0,
        checkpoint="",
        caveats=CAVEATS,
    )


def _reading(controllers: int, rows: tuple[tuple[Cell, ...], ...], processor: str) -> Iterable[str]:
    if not rows:
        yield "No rule lets this controller disclose anything."
        return
    one = controllers == 1
    yield (
        f"{'One class of organisation' if one else f'{controllers} classes of organisation'} may"
        f" disclose facts through this gateway, in {len(rows)} combinations of purpose and"
        " category of recipient."
    )
    yield (
        f"Each controller answers for what it states. {processor[:1].upper() + processor[1:]} is"
        " processor for all of them (s.59): it receives, decides by the rulebook, seals, delivers"
        " and logs."
    )
    yield "Transfers outside the United Kingdom: none. Recipients elsewhere are refused (s.73)."
    yield (
        "Profiling: none. No significant decision is made by automated means alone: rules route"
        " facts that agencies state, and never assess a person (ss.50A to 50D)."
    )
    yield (
        "Security (s.66): facts are encrypted at rest under a key for each person, and sealed to"
        " each recipient's own key before they leave; senders sign what they post; staff sign in"
        " with a passkey or through their organisation; every operation of s.62 is in an"
        " append-only log that recipients and witnesses can check; erasing a person destroys their"
        " key."
    )
    yield (
        "Retention at the gateway: an alert's content is kept until it has been answered and its"
        " period has run; log entries hold no personal data and stay."
    )


CAVEATS: Final = (
    (
        "Add the name and contact details of the controller, of any joint controller and of their"
        " data protection officer: the gateway holds roles and organisation classes only."
    ),
    "This is the widest the rules allow. In a case the facts, a forbid or a restriction narrow it.",
    "The regime is that of each disclosure, not of the organisation (CJA 2003 s.325(4E)).",
    (
        "A controller confirms every row before it relies on it. Signed: ______________________"
        " Date: ______________"
    ),
)


def _row(
    key: tuple[str, str, str], together: list[Way], catalogues: Catalogues, today: date
) -> tuple[Cell, ...]:
    sender, purpose, role = key
    bases = [catalogues.bases[way.basis] for way in together]
    groups = list(dict.fromkeys(name for way in together for name in way.members))
    sensitive = [
        way for way in together if any(catalogues.groups[n].sensitive for n in way.members)
    ]
    documents = [document_for(way, catalogues, today) for way in sensitive]
    return (
        controller_title(sender, catalogues),
        in_words(purpose),
        catalogues.roles[role].title,
        in_order(catalogues.title_of(one) for way in together for one in way.holders),
        in_order(_subjects(groups)),
        in_order(catalogues.groups[name].title for name in catalogues.groups if name in groups),
        in_order(_REGIMES[one.regime] for one in bases),
        in_order(one.citation for one in bases),
        in_order(catalogues.bases[way.basis].condition for way in sensitive),
        in_order(documents),
        in_order(_retention(documents, catalogues)),
        in_order(in_words(way.rule.decided_by) for way in together),
    )


def controller_title(sender: str, catalogues: Catalogues) -> str:
    """Return who the controller is of what a class of organisation states. Pure."""
    title = catalogues.title_of(sender)
    if catalogues.organisations[sender].controller:
        return title
    return f"{title} (acts for others: each is controller of its own facts)"


def _subjects(groups: Iterable[str]) -> Iterator[str]:
    yield _SUBJECTS[""]
    yield from (_SUBJECTS[name] for name in groups if name in _SUBJECTS)


def _retention(documents: Iterable[str], catalogues: Catalogues) -> Iterator[str]:
    yield _NO_SCHEDULE
    for reference in documents:
        known = catalogues.policy_documents.get(reference)
        if known is not None:
            yield f"{reference}: {known.retention}"
