"""What is looked at: every page of the console, as somebody with something to find out would."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bench.console_cases import OF_ONE, noms_of, person_ref
from bench.console_store import Stood
from gateway import clock
from gateway.model.reference import reference
from gateway.model.staff import StaffRole

WHY: Final[Mapping[str, str]] = {"why": "To see how long it takes"}
_ANSWERED: Final = 'id="results"'
_KNOWN: Final = 0  # the case about the person with a thousandth of all entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One look at one page."""

    name: str  # as the figure is called
    path: str
    says: str  # stands on it when it shows what it should
    role: StaffRole = "dpo"
    fields: Mapping[str, str] | None = None  # of the form that is sent; None: nothing is
    status: int = 200
    long: bool = False  # long work, done beside the event loop: what counts is what that waits
    only: bool = False  # for somebody who acts for a small agency


def visits(stood: Stood) -> Iterator[Visit]:
    """Yield every visit."""
    yield from _plain()
    yield from _found(stood)
    yield from _asked(stood)
    yield from _rulebook(stood)


def _plain() -> Iterator[Visit]:
    """Yield pages that are asked for nothing."""
    pages: tuple[tuple[str, str, StaffRole], ...] = (
        ("", "Overview", "dpo"),
        ("disclosures", "Search", "dpo"),
        ("evidence", "Generated from the rulebook", "dpo"),
        ("person", "Find a person", "dpo"),
        ("tasks", "/console/tasks/tsk_", "coordinator"),
        ("tasks?show=decisions", "/console/tasks/tsk_", "coordinator"),
        ("duties", "per_0000", "coordinator"),
        ("duties?show=late", "per_0000", "coordinator"),
        ("deliveries", "/console/deliveries/alt_", "operator"),
        ("deliveries?state=pending", "/console/deliveries/alt_", "operator"),
        ("deliveries?state=newest", "/console/deliveries/alt_", "operator"),
        ("recipients", "bench-099", "operator"),
        ("rulebook", "rules are in force", "dpo"),
        ("rulebook/versions", "Compare two", "dpo"),
        ("approvals", "/console/approvals/apr_", "dpo"),
        ("statistics", "annual tables", "dpo"),
        ("log", "Newest checkpoint", "operator"),
        ("auditors", "Look up", "dpo"),
        ("evidence/ropa", "</table>", "dpo"),
        ("evidence/agreement", "</table>", "dpo"),
    )
    for path, says, role in pages:
        name = path.translate({ord(one): "_" for one in "/?="}) or "overview"
        yield Visit(name=name, path=f"/console/{path}".rstrip("/"), says=says, role=role)


def _found(stood: Stood) -> Iterator[Visit]:
    """Yield pages of one thing, and searches for it."""
    case = stood.case(_KNOWN)
    grant = stood.world.granted[case.recipient(0).role][0]
    rule = grant.rule
    index, of = case.first + 1, case.recipient(0).id
    person = {"person": noms_of(0), **WHY}
    far = stood.world.at(stood.world.cases // 8 * 4)  # of the agency that states most
    first = stood.world.at(_KNOWN)
    yield _posted("disclosure", f"disclosures/{index}", "Verified", WHY)
    yield Visit(
        name="disclosure_why", path=f"/console/disclosures/{index}", says="Why you need to look"
    )
    yield Visit(
        name="disclosure_proof", path=f"/console/disclosures/{index}/proof", says="c2sp.org/tlog-pr"
    )
    yield _posted("timeline", "person", person_ref(_KNOWN), person)
    for name, fields in (
        ("person", person),
        ("recipient", {"recipient": of, **WHY}),
        ("rule", {"rule": rule, **WHY}),
        ("basis", {"basis": grant.basis, **WHY}),
        ("date", {**_day("since", far), **_day("until", far), **WHY}),
        (
            "all",
            {"recipient": of, "rule": rule, "basis": grant.basis, **_day("since", first), **WHY},
        ),
        ("nothing", WHY),
    ):
        yield _posted(f"disclosures_by_{name}", "disclosures", "formaction=", fields)
    yield _posted(
        "disclosures_by_person_csv", "disclosures", "entry,at", {**person, "export": "csv"}
    )
    yield _posted("disclosures_small_agency", "disclosures", "formaction=", WHY, only=True)
    task = f"tasks/tsk_{_KNOWN:032x}"
    yield _posted("task", task, "Open", WHY, role="coordinator")
    yield Visit(name="task_why", path=f"/console/{task}", says="Why you", role="coordinator")
    yield Visit(
        name="delivery",
        path=f"/console/deliveries/{case.alert(0)}",
        says=reference(case.alert(0)),
        role="operator",
    )
    yield _posted(
        "deliveries_recover", "deliveries", "", {"period": "1"}, role="operator", status=303
    )
    yield Visit(name="recipient", path=f"/console/recipients/one?id={of}", says=of, role="operator")
    yield Visit(name="rule", path=f"/console/rulebook/rule?id={rule}", says="Its text")
    yield Visit(name="approval", path="{approval}", says="The time to keep it has ended")
    last = stood.first + OF_ONE * stood.world.cases - 1
    stretch = {"first": str(max(last - 1999, 0)), "last": str(last)}
    yield _posted("log_verified", "log", "Verified", stretch, role="operator", long=True)
    for name, fields in (
        ("looked", {"about": "looked", "staff": "dpo-01"}),
        ("signed_in", {"about": "sign-ins"}),
    ):
        yield _posted(f"auditors_{name}", "auditors", _ANSWERED, fields)


def _asked(stood: Stood) -> Iterator[Visit]:
    """Yield every evidence question, empty and asked."""
    case = stood.case(_KNOWN)
    person = {"person": person_ref(_KNOWN), **WHY}
    of = case.recipient(0).id
    rule = stood.world.granted[case.recipient(0).role][0].rule
    when = {
        **_day("since", stood.world.ends - timedelta(days=400)),
        **_day("discovered", stood.world.ends),
    }
    forms: tuple[tuple[str, str, Mapping[str, str], bool], ...] = (
        ("told", "told", {**person, "recipient": of}, False),
        ("who-knows", "who_knows", person, False),
        ("subject-access", "subject_access", person, False),
        ("refused", "refused", person, False),
        ("rule", "rule", {"rule": rule}, False),
        ("merge", "merge", person, False),
        ("genuine", "genuine", {"alert": reference(case.alert(0))}, False),
        ("looked", "looked", person, False),
        ("lapsed", "lapsed", {}, False),
        ("lapsed", "lapsed_small_agency", {}, True),
        (
            "breach",
            "breach_endpoint",
            {"compromised": "endpoint", "subject": f"{of}/webhook", **when},
            False,
        ),
        (
            "breach",
            "breach_agency",
            {"compromised": "agency", "subject": "agency-00", **when},
            False,
        ),
    )
    asked = set()
    for code, name, fields, only in forms:
        path = f"evidence/{code}"
        if code not in asked:
            yield Visit(name=f"evidence_{name}_form", path=f"/console/{path}", says="<form")
        asked.add(code)
        yield _posted(
            f"evidence_{name}", path, _ANSWERED, fields, only=only, long=name == "breach_agency"
        )
    yield _posted(
        "evidence_who_knows_pdf",
        "evidence/who-knows",
        "%PDF",
        {**person, "export": "pdf"},
        long=True,
    )


def _rulebook(stood: Stood) -> Iterator[Visit]:
    digest = stood.world.law.rulebook.digest
    versions = "rulebook/versions"
    yield Visit(
        name="rulebook_matrix",
        path="/console/rulebook?kind=release.planned",
        says="Who may be told what of",
        long=True,
    )
    yield _posted(
        "rulebook_diff",
        versions,
        _ANSWERED,
        {"do": "diff", "old": digest, "new": digest},
        long=True,
    )
    yield _posted(
        "rulebook_replay",
        versions,
        _ANSWERED,
        {"do": "replay", "new": digest, "period": "31"},
        long=True,
    )


def _posted(
    name: str,
    path: str,
    says: str,
    fields: Mapping[str, str],
    *,
    role: StaffRole = "dpo",
    long: bool = False,
    only: bool = False,
    status: int = 200,
) -> Visit:
    return Visit(
        name=name,
        path=f"/console/{path}",
        says=says,
        fields=fields,
        role=role,
        long=long,
        only=only,
        status=status,
    )


def _day(name: str, at: datetime) -> dict[str, str]:
    on = clock.day(at)
    return {
        f"{name}-day": f"{on.day}",
        f"{name}-month": f"{on.month}",
        f"{name}-year": f"{on.year}",
    }
