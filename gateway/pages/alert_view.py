"""What a page shows of an alert: everything it says, laid out to be judged. Pure.

Source: DPA 2018 s.38(2), (3) and (5)(b): facts apart from assessments, whose, how old, how sure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gateway.model.ids import AlertId
from gateway.model.reference import reference
from gateway.model.strict_json import Json, JsonObject
from gateway.pages import words


@dataclass(frozen=True, slots=True)
class Shape:
    """One value as the template lays it out: exactly one of the three is set."""

    text: str | None = None
    items: tuple["Shape", ...] | None = None
    rows: tuple[tuple[str, "Shape"], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one agency stated of one group, and what lets a reader judge it."""

    title: str
    facts: tuple[tuple[str, Shape], ...]
    provenance: tuple[tuple[str, str], ...]
    kind: str  # Fact, Assessment or Intelligence
    kind_code: str  # for the style sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That it was logged."""

    number: int
    origin: str
    size: str
    text: str  # tlog-proof
    entry: str  # the log's own record, JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView:
    """One alert, ready for the template."""

    reference: str
    title: str
    asks: str
    message: str
    for_action: bool
    exercise: bool
    marking: str
    deadline: str | None
    summary: tuple[tuple[str, str], ...]
    handling: tuple[tuple[str, str], ...]
    statements: tuple[Statement, ...]
    withheld: tuple[str, ...]
    grounds: tuple[tuple[tuple[str, str], ...], ...]
    proof: Proof
    followed_by: str | None  # reference of a later alert that takes its place
    answer_path: str


def view_of(
    alert: AlertId,
    content: JsonObject,
    *,
    answer_by: datetime | None,
    leaf_index: int,
    proof: str,
    entry: bytes,
    followed_by: AlertId | None,
    answer_path: str,
) -> AlertView:
    """Lay out an alert as `gateway.alert` makes it, of whichever kind."""
    message = str(content.get("message_type"))
    title, asks = words.MESSAGES.get(message, (message, ""))
    return AlertView(
        reference=reference(alert),
        title=title,
        asks=asks,
        message=message.lower(),
        for_action=content.get("recipient_type") == "FA",
        exercise=content.get("status") == "exercise",
        marking=str(content.get("marking")),
        deadline=_deadline(content, answer_by),
        summary=tuple(_summary(content)),
        handling=tuple(_handling(content)),
        statements=tuple(_statements(content)),
        withheld=tuple(words.group_of(str(code)) for code in _list(content, "withheld_groups")),
        grounds=tuple(tuple(_ground(one)) for one in _objects(content, "grants")),
        proof=_proof(leaf_index, proof, entry),
        followed_by=reference(followed_by) if followed_by else None,
        answer_path=answer_path,
    )


def _deadline(content: JsonObject, answer_by: datetime | None) -> str | None:
    stated = content.get("ack_required_by")
    if answer_by is not None:
        return words.moment(answer_by)
    return words.moment(stated) if isinstance(stated, str) else None


def _summary(content: JsonObject) -> Iterator[tuple[str, str]]:
    if "event_type" in content:
        yield "What happened", words.happened(content["event_type"])
    if "occurred_at" in content:
        yield "When", words.value(content["occurred_at"])
    if "case_ref" in content:
        yield "Person", str(content["case_ref"])
    if "subject_category" in content:
        category = str(content["subject_category"])
        yield "The person is", words.SUBJECTS.get(category, category)
    if content.get("supersedes"):
        yield "Earlier alert", reference(AlertId(str(content["supersedes"])))
    if "reason" in content:
        code = str(content["reason"])
        yield "Why", words.RECALLED.get(code, code)
    unanswered = content.get("unanswered")
    if isinstance(unanswered, dict):
        yield "Unanswered alert", str(unanswered.get("reference"))
        yield "It was sent to", str(unanswered.get("recipient"))
    yield "From", str(content.get("source"))
    yield "To", str(content.get("recipient"))


def _handling(content: JsonObject) -> Iterator[tuple[str, str]]:
    yield "Marking", str(content.get("marking"))
    for name, label in (
        ("intel_grade", "Intelligence grade (3x5x2)"),
        ("intel_conditions", "Conditions that bind you"),
        ("agreement_ref", "Agreement"),
    ):
        if content.get(name):
            yield label, str(content[name])
    if content.get("review_due"):
        yield "Look again whether you still need it", words.value(content["review_due"])


def _statements(content: JsonObject) -> Iterator[Statement]:
    facts = content.get("facts")
    for row in _objects(content, "groups"):
        name = str(row.get("name"))
        held = facts.get(name) if isinstance(facts, dict) else None
        members = [str(one) for one in _list(row, "members")]
        code = row.get("assertion")
        kind = str(code) if isinstance(code, str) else None
        yield Statement(
            title=words.GROUPS.get(name, name),
            facts=tuple(
                (words.member(member), shape(held[member]))
                for member in members
                if isinstance(held, dict) and member in held
            ),
            provenance=tuple(_provenance(row)),
            kind=words.ASSERTIONS.get(kind, str(kind)),
            kind_code=(kind or "unsaid").lower(),
        )


def _provenance(row: JsonObject) -> Iterator[tuple[str, str]]:
    yield "Stated by", str(row.get("controller"))
    yield "As of", words.value(row.get("as_of"))
    yield "Verified", words.value(row.get("verified"))
    yield "Source system", words.value(row.get("source_system"))
    completeness = str(row.get("completeness"))
    yield "How much", words.COMPLETENESS.get(completeness, completeness)


def _ground(grant: JsonObject) -> Iterator[tuple[str, str]]:
    for name, label in (
        ("citation", "Law"),
        ("purpose", "For"),
        ("condition", "Condition"),
        ("policy_document", "Policy document"),
        ("decided_by", "Decided by"),
        ("rule_id", "Rule"),
    ):
        if grant.get(name):
            yield (
                label,
                str(grant[name]).replace("_", " ") if name == "purpose" else str(grant[name]),
            )


def shape(stated: Json) -> Shape:
    """Return any stated value as the template lays it out."""
    if isinstance(stated, dict):
        return Shape(rows=tuple((words.member(name), shape(one)) for name, one in stated.items()))
    if isinstance(stated, list):
        return Shape(items=tuple(shape(one) for one in stated)) if stated else Shape(text="None")
    return Shape(text=words.value(stated))


def _proof(leaf_index: int, proof: str, entry: bytes) -> Proof:
    # A tlog-proof: head and path, then the signed checkpoint: origin, size, root.
    checkpoint = proof.partition("\n\n")[2].splitlines()
    return Proof(
        number=leaf_index,
        origin=checkpoint[0] if checkpoint else "",
        size=checkpoint[1] if len(checkpoint) > 1 else "",
        text=proof,
        entry=entry.decode(),
    )


def _list(of: JsonObject, name: str) -> list[Json]:
    found = of.get(name)
    return found if isinstance(found, list) else []


def _objects(of: JsonObject, name: str) -> list[JsonObject]:
    return [one for one in _list(of, name) if isinstance(one, dict)]
