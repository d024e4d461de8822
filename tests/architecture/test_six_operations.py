"""The six operations of DPA 2018 s.62: nothing is read or changed that is not in the log.

Nothing here lists routes, commands or tables: they are read off the source and the schema, and so
is what each comes to call (`tests.architecture.reaching`). What is listed is what the path itself
does, each with its reason; a line that is needed no more fails too.
"""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from gateway.disclosure_log.operation import OPERATIONS
from tests.architecture.reaching import Program, entrances, is_entry, tables_about_persons

ROOT: Final = Path(__file__).resolve().parents[2]
SCHEMA: Final = (ROOT / "gateway/store/schema.sql").read_text("utf-8")

# They find whom or what is meant, and say it to nobody: whoever calls them logs what was shown, or
# that it was in vain. A route or command that calls one and can make no entry fails.
LOOKS_UP: Final = {
    "gateway.http.people._by_ref": "_consult logs the reading of nobody too",
    "gateway.http.people._by_identifier": "_consult logs the reading of nobody too",
    "gateway.collecting.Collecting._links": "compares a link's token; what is read is then logged",
    "gateway.cli.person.named": "the command logs whom it found, or that it found nobody",
    "gateway.cli.alerts._named": "the command logs the reading, or the answer",
    "gateway.console.pages.persons.named": "the page logs whom it found, or that it found nobody",
    "gateway.console.pages.people_tasks._task": "whether it is theirs to see; then it is logged",
}

# What is no consultation: nothing of it says anything about anybody.
ITSELF: Final = {
    "gateway.console.pages.scoping.covers_person": "whether a person is theirs to see, no more",
    "gateway.console.pages.disclosure._entry": "whether it is theirs to see; then it is logged",
    "gateway.console.pages.answers.download": "packs what was logged when it was asked, or the law",
    "gateway.http.alerts.routes.show": "whoever opened an alert asks whether their answer came;"
    " nothing the alert says, and nobody's reference, is in what they get",
    "gateway.http.alerts.routes.answer": "an answer is an entry; one not taken changes nothing",
    "gateway.cli.log.verify_instance": "checks every proof; shows how many hold, and no entry",
    "gateway.cli.alerts.acknowledge": "an answer is an entry; one not taken says where it stands",
    "gateway.console.pages.disclosure.routes.proof": "hashes, and the signature over them",
    "gateway.console.pages.rulebook._in_force": "entries of rulebooks name nobody",
    "gateway.cli.migrate._checked": "checks every proof; shows how many hold, and no entry",
    "gateway.cli.retention.carry_out": "counts; what goes is an entry each time",
    "gateway.cli.audit.standing_schedule": "generated from the rulebook, about nobody",
    "gateway.doctor.log.examine": "checks the log as a machine does; shows no entry",
    "gateway.doctor.work.examine": "counts",
    "gateway.gauges.Gauges.families": "counts",
    "gateway.cli.deliveries.retry": "each delivery set going is an entry; shows how many",
    "gateway.cli.deliveries.recover": "each delivery set going is an entry; shows how many",
    "gateway.console.pages.overview.values": "counts, and the reference of one alert",
    "gateway.console.pages.people_tasks._listing": "kinds, recipients and rules; no person",
    "gateway.console.pages.deliveries._listing": "where deliveries stand; no person",
    "gateway.console.pages.deliveries._one": "where deliveries stand; no person",
    "gateway.console.pages.deliveries._retry": "each delivery set going is an entry",
    "gateway.console.pages.deliveries._recover": "each delivery set going is an entry",
}

# Who else opens what is held: the path, each for what it is there for (DESIGN section 1).
PATH: Final = {
    "gateway/app.py": "puts the parts together",
    "gateway/assembly.py": "puts the parts together",
    "gateway/for_all.py": "puts the parts together",
    "gateway/spreading.py": "names what is undecided to other processes, by reference alone",
    "gateway/pipeline.py": "decides: a disclosure or a refusal is the entry",
    "gateway/consequences.py": "decides: what follows from an event, each with its entry",
    "gateway/circumstances.py": "decides: reads what was told before",
    "gateway/revise.py": "decides: whom a correction must reach, each told by an entry",
    "gateway/telling.py": "decides: what is told, each with its entry",
    "gateway/deliver.py": "delivers ciphertext; each attempt is an entry",
    "gateway/reseal.py": "seals anew to another key; each is an entry",
    "gateway/escalate.py": "turns to the next in line; each rung is an entry",
    "gateway/duties/chase.py": "reckons what is owed; what is late becomes an event",
    "gateway/answering.py": "finds the alert an answer is of; the answer is an entry",
    "gateway/collecting.py": "collects: logged before a byte is returned",
    "gateway/attention.py": "decides: what a human is asked to look at",
    "gateway/approving.py": "carries out what two persons decided; each step is an entry",
    "gateway/gauges.py": "counts what waits, for the operator's metrics",
    "gateway/proving.py": "proves a recipient's ways, about nobody",
}


@cache
def sources() -> Mapping[str, str]:
    found = {}
    for path in sorted((ROOT / "gateway").rglob("*.py")):
        if "node_modules" not in path.parts:
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path.read_text("utf-8")
    return found


@cache
def judged() -> tuple[Program, frozenset[str]]:
    """Return the program judged, and the functions that would show something but for the lists."""
    program = Program(sources(), SCHEMA)
    program.judge()
    alone = frozenset(one.name for one in program.functions() if one.exposes)
    program.judge({**LOOKS_UP, **ITSELF})
    return program, alone


def test_the_tables_about_persons_are_read_off_the_schema() -> None:
    assert tables_about_persons(SCHEMA) >= {
        "person", "event", "alert", "outbox", "task", "justification", "duty",
        "person_identifier", "person_likeness", "person_merge",
    }  # fmt: skip
    more = SCHEMA + "\nCREATE TABLE note (\n  id TEXT,\n  person TEXT\n) STRICT;\n"
    assert "note" in tables_about_persons(more)
    assert "setting" not in tables_about_persons(more)


def test_no_route_and_no_command_shows_or_changes_what_is_held_without_an_entry() -> None:
    every = list(entrances(judged()[0]))
    assert len([one for one in every if one.name.startswith("route")]) > 25
    assert len([one for one in every if one.name.startswith("command")]) > 50
    assert [f"{one.name}: {one.shows}" for one in every if one.shows] == []


def test_whoever_looks_somebody_up_can_make_the_entry_of_it() -> None:
    program, _ = judged()
    entries = {one.name for one in program.functions() if is_entry(one)}
    found = {one.name: program.reached(one.calls) for one in entrances(program)}
    asking = {name: calls for name, calls in found.items() if calls & LOOKS_UP.keys()}
    assert asking
    assert [name for name, calls in asking.items() if not calls & entries] == []


@pytest.mark.parametrize("name", [*LOOKS_UP, *ITSELF])
def test_what_is_said_to_be_the_path_itself_is_there_and_reads(name: str) -> None:
    """A function whose name changed, or that reads nothing any more, is not to be excused."""
    program, alone = judged()
    assert name in {one.name for one in program.functions()}
    assert name in alone, "it needs no excuse: take its line out"


def test_whoever_else_opens_what_is_held_is_the_path_and_says_what_for() -> None:
    """Loops answer nobody; they may read, and are named."""
    faces = tuple(
        f"gateway.{one}." for one in ("http", "cli", "console", "demo", "audit", "doctor")
    )
    below = ("gateway.store.", "gateway.disclosure_log.")
    program, alone = judged()
    found = {
        one.module.name.replace(".", "/") + ".py"
        for one in program.functions()
        if one.name in alone and not one.name.startswith((*faces, *below))
    }
    assert found - PATH.keys() == set()
    assert {name for name in PATH if not (ROOT / name).is_file()} == set()


PLANTED: Final = """
from aiohttp import web

from gateway.disclosure_log import entry
from gateway.store.consultation import Asked, Seen, consult
from gateway.store.store import Store


def routes(store: Store, now) -> list[web.RouteDef]:
    async def show(request: web.Request) -> web.Response:
        {body}
        return web.json_response(held.person.facts)

    return [web.get("/v1/people/{{ref}}", show)]
"""
READS: Final = 'held = store.held(request.match_info["ref"])'


SAFE: Final = {
    "choke_point": """look = lambda connection: Seen(result=store.held("x"), shown=1)
        asked = Asked(what="person", reader="dpo")
        held = await consult(store.commit, store.reader, asked, look, now=now())""",
    "entry_first": f"""entry.question(at=now(), what="person", reader="dpo")
        {READS}""",
}
UNSAFE: Final = {
    "bare": READS,
    "sometimes": f"""if request.query:
            entry.question(at=now(), what="person", reader="dpo")
        {READS}""",
    "another_entry": f"""entry.security(at=now(), code="x", agency=None)
        {READS}""",
    "too_late": f"""{READS}
        if request.query:
            return web.json_response(held.person.facts)
        entry.question(at=now(), what="person", reader="dpo")""",
}
METHOD: Final = """
from aiohttp import web

_COLUMNS = "SELECT person, due"
_DUE = _COLUMNS + " FROM duty WHERE person = ?"


class Pages:
    def __init__(self, reader) -> None:
        self._reader = reader

    async def duties(self, request: web.Request) -> web.Response:
        return web.json_response(list(self._rows(request.match_info["ref"])))

    def _rows(self, ref):
        return self._reader.execute(_DUE, (ref,)).fetchall()


def routes(reader) -> list[web.RouteDef]:
    pages = Pages(reader)
    return [web.get("/duties/{ref}", pages.duties)]
"""
COMMAND: Final = """
import typer
app = typer.Typer()

@app.command()
def show(ref: str) -> int:
    from gateway.store import tasks as rows
    from gateway.store import sqlite
    typer.echo(rows.task_by_id(sqlite.open_reader(ref), ref).kind)
    return 0
"""


def test_what_is_planted_is_caught_and_what_logs_is_not() -> None:
    """A bare reading, one logged sometimes, too late or as something else; SQL in a method; a
    command: each is named. One that logs first, or goes through the choke point, is not."""
    plants = {
        f"gateway.http.{name}": PLANTED.format(body=body) for name, body in (SAFE | UNSAFE).items()
    }
    plants |= {"gateway.http.method": METHOD, "gateway.cli.planted": COMMAND}
    beside = {
        name: text
        for name, text in sources().items()
        if name.startswith(("gateway.store", "gateway.disclosure_log", "gateway.model"))
    }
    program = Program({**beside, **plants}, SCHEMA)
    program.judge()
    assert {one.name for one in entrances(program) if one.shows} == {
        *(f"route gateway.http.{name}.routes show" for name in UNSAFE),
        "route gateway.http.method.routes pages.duties",
        "command gateway.cli.planted.show",
    }


# One choke point for each operation: the one module that makes its entry.
MADE_IN: Final[Mapping[str, set[str]]] = {
    "collection": {"gateway.store.acceptance"},
    "alteration": {"gateway.consequences"},
    "combination": {"gateway.store.recognition", "gateway.store.people"},  # an agency's, and ours
    "disclosure": {"gateway.over_endpoint"},
    "erasure": {"gateway.store.erasure"},
}


@pytest.mark.parametrize("operation", MADE_IN)
def test_each_operation_has_one_choke_point(operation: str) -> None:
    assert operation in OPERATIONS
    makers = {
        name
        for name, text in sources().items()
        if f"entry.{operation}(" in text
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"entry.{operation}"
    }
    assert makers == MADE_IN[operation]
