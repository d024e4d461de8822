"""The matrix: as reviewed, as the domain's table has it, and as decisions are made."""

import csv
import functools
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gateway.model.decision import Permit
from gateway.model.kinds import KINDS
from policies.review.matrix import RELEASE_NOTIFICATION, Row, matrix_of, titles, unreached
from policies.review.matrix_page import CSV_COLUMNS, as_csv, as_html
from tests.policies.cases import RULEBOOK, decide, person, recipient
from tests.policies.need_to_know import HEADER, release_rows, table

GOLDEN = Path(__file__).with_name("matrix.csv")

# Domain matrix 3.2, G1 to G13. "PNC", "NOMS" and the like are part of G2; a note C stays a C.
DOMAIN = {
    "R01": "Y Y Y Y Y Y Y Y Y Y C S -",
    "R02": "Y S Y S S S S Y Y S S - -",
    "R03": "Y Y Y Y Y Y Y Y Y Y Y S C",
    "R04": "Y S Y Y Y Y Y Y Y S Y - -",
    "R05": "Y Y Y Y Y S S S S S S S -",
    "R06": "Y S Y S S S - S Y - - Y Y",
    "R07": "Y S Y S S - - S Y - - Y -",
    "R08": "Y S Y S S S S S Y - - Y C",
    "R09": "Y S S - S - - - Y - - Y C",
    "R10": "Y S Y S S S S S Y - Y - -",
    "R12": "Y - S - S S - S S C - S -",
    "R13": "Y S Y S S S S S S C S - -",
    "R14": "Y S Y S S - S Y S Y - - -",
    "R15": "S - S - - - - - C - - - -",
    "R16": "Y - S S S S - S Y - S - -",
    "R17": "Y - S - S S - S Y - S - -",
    "R18": "Y S Y Y Y Y Y Y Y S Y S S",
    "R19": "Y S Y - S - - Y Y - - - -",
    "R20": "Y S S - S - - S S - S - -",
    "R21": "Y S Y S S - S - S - - - -",
}

_NARRATIVE = "rule 3.4(6): risk narrative leaves R01, R03 and R05 only by a human release"
_VICTIM = "issue 3: victim facts outside R01, R03 and R14 only by a human decision"
_CLINICAL = "notes C2 and C3: clinical facts go by a clinician's decision, each time"
_SELF_HARM = (
    "self-harm only, and by a clinician's decision: no clinical fact leaves health by a rule"
)

# Where the rulebook departs from the table, and why: code, group, its letter, the reason.
DEPARTURES = {
    **{
        (code, "risk_narrative"): ("H", _NARRATIVE)
        for code in ("R02", "R04", "R06", "R08", "R10", "R12", "R13", "R16", "R17", "R18")
    },
    **{(code, "victim"): ("H", _VICTIM) for code in ("R02", "R04", "R05", "R12", "R13", "R18")},
    **{(code, "health_clinical"): ("H", _CLINICAL) for code in ("R03", "R06", "R08", "R09")},
    ("R18", "health_clinical"): ("H", _SELF_HARM),
    ("R02", "licence"): ("S", 'the table says "Y exclusion": the exclusion zones, and those only'),
    ("R14", "licence"): ("S", 'the table says "Y victim conditions": those only'),
    ("R19", "licence"): ("S", 'the table says "Y EM conditions": those only'),
    ("R15", "location"): ("S", "the consented contact only; the basis itself tests the consent"),
    ("R16", "location"): ("S", "all but the housing referral, which is the person's to R15 alone"),
}


@functools.cache
def rows() -> dict[str, Row]:
    """Return the matrix by role code: late, for it takes seconds and every worker imports this."""
    return dict(release_rows())


def test_the_golden_matrix_is_computed_again() -> None:
    written = GOLDEN.read_text(encoding="utf-8").splitlines()
    made = table().splitlines()
    assert [line for line in made if line not in set(written)] == []
    assert made == written


def test_the_golden_matrix_has_a_line_for_every_cell() -> None:
    with GOLDEN.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == HEADER
    codes = {code for role in RULEBOOK.catalogues.roles.values() for code in role.codes}
    groups = set(RULEBOOK.catalogues.groups)
    release = {(one["role"], one["kind_or_group"]) for one in lines if one["table"] == "release"}
    assert release == {(code, group) for code in codes for group in groups}
    kinds = {(one["role"], one["kind_or_group"]) for one in lines if one["table"] == "kinds"}
    assert kinds == {(role, kind) for role in RULEBOOK.catalogues.roles for kind in KINDS}


@pytest.mark.parametrize("code", DOMAIN)
def test_each_cell_is_the_domains_or_departs_from_it_for_a_reason(code: str) -> None:
    groups = list(RULEBOOK.catalogues.groups)[:13]
    found = {group: rows()[code].cells[group].letter for group in groups}
    expected = dict(zip(groups, DOMAIN[code].split(), strict=True))
    expected |= {
        group: letter for (whose, group), (letter, _) in DEPARTURES.items() if whose == code
    }
    assert found == expected


def test_no_departure_is_listed_that_is_none() -> None:
    groups = list(RULEBOOK.catalogues.groups)[:13]
    for (code, group), (letter, reason) in DEPARTURES.items():
        assert DOMAIN[code].split()[groups.index(group)] != letter, (code, group)
        assert reason


@pytest.mark.parametrize("code", ["R23", "R24"])
def test_a_board_and_a_data_protection_officer_are_told_no_fact(code: str) -> None:
    assert {cell.letter for cell in rows()[code].cells.values()} == {"-"}
    assert rows()[code].told == "-"


def test_a_victim_or_the_public_is_told_by_a_human_only() -> None:
    row = rows()["R25"]
    assert row.told == "decision"
    assert {cell.letter for cell in row.cells.values()} == {"-", "H"}
    assert all(cell.decided_by for cell in row.cells.values() if cell.letter == "H")


def test_counter_terrorism_is_told_of_category_4_only() -> None:
    to = recipient("counter_terrorism_unit")
    told = {
        category: isinstance(decide(to, person(mappa={"category": category})), Permit)
        for category in (1, 2, 4)
    }
    assert told == {1: False, 2: False, 4: True}


def test_the_matrix_shows_every_permit_of_the_rulebook() -> None:
    assert unreached(RULEBOOK, RULEBOOK.catalogues.roles) == ()


@pytest.mark.parametrize("role", ["police_offender_manager", "gp_practice", "childrens_services"])
def test_nothing_is_granted_that_the_matrix_does_not_show(role: str) -> None:
    matrix = matrix_of(RULEBOOK, ("release.planned",), roles={role})
    shown = {path for cell in matrix.rows[0].cells.values() for path in cell.members}
    for level in (1, 2, 3):
        made = decide(recipient(role), person(mappa={"level": level}))
        assert set(made.members if isinstance(made, Permit) else ()) <= shown


class _Page(HTMLParser):
    """What of a page matters to somebody who cannot see it."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = 0
        self.captions = 0
        self.heads_without_scope = 0
        self.language: str | None = None
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tables += tag == "table"
        self.captions += tag == "caption"
        self.heads_without_scope += tag == "th" and "scope" not in given
        if tag == "html":
            self.language = given.get("lang")
        self.fetched += [str(given[name]) for name in ("src", "href") if name in given]


def test_the_page_is_whole_by_itself_and_readable_by_all() -> None:
    matrices = [matrix_of(RULEBOOK, RELEASE_NOTIFICATION)]
    text = as_html(matrices, RULEBOOK, printed_on=date(2026, 3, 2))
    page = _Page()
    page.feed(text)
    assert page.language == "en-GB"
    assert page.tables == page.captions >= 3
    assert page.heads_without_scope == 0
    assert page.fetched == []
    assert RULEBOOK.digest in text
    assert "Signature" in text
    for rule in {
        rule for row in matrices[0].rows for cell in row.cells.values() for rule in cell.rules
    }:
        assert f"<code>{rule}</code>" in text
    for title in titles(RULEBOOK.catalogues).values():
        assert title in text


def test_the_csv_has_a_line_for_every_cell_that_gives_something() -> None:
    matrix = matrix_of(RULEBOOK, ("release.planned",), roles={"gp_practice"})
    lines = list(csv.DictReader(as_csv([matrix]).splitlines()))
    assert tuple(lines[0]) == CSV_COLUMNS
    given = {name for name, cell in matrix.rows[0].cells.items() if cell.letter != "-"}
    assert {line["group"] for line in lines} == given
    assert all(line["rules"] and line["bases"] for line in lines)
