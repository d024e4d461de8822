"""`policy check`, `matrix`, `test` and `diff`: the rulebook looked at, without an instance."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import orjson
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from gateway import clock
from gateway.cli.exits import NO, OK, Trouble, read_file
from gateway.instance import rulebook_texts
from gateway.model.kinds import KINDS
from gateway.model.strict_json import Json, JsonObject
from gateway.rehearsal.vector_checks import CHECKS
from policies.problem import BadRulebook
from policies.review.coverage import Coverage, cover
from policies.review.difference import CellChange, Difference, RuleChange, compare
from policies.review.matrix import Matrix, matrix_of, told_kinds, unreached
from policies.review.matrix_page import LEGEND, as_csv, as_html
from policies.review.vectors import Result, read_vectors, run
from policies.rulebook import Rulebook, load_rulebook

_MAX_VECTORS = 4 * 1024 * 1024


def check(folder: Path | None, *, as_json: bool) -> int:
    """Read a rulebook and say what it leaves unsaid. 0 if it is whole and says everything."""
    try:
        rulebook = load_rulebook(rulebook_texts(folder))
    except BadRulebook as error:
        _say_bad(error, as_json=as_json)
        return NO
    found = cover(rulebook)
    if as_json:
        say_json(_coverage(rulebook, found))
    else:
        _say_coverage(rulebook, found)
    return OK if found.complete else NO


def _say_bad(error: BadRulebook, *, as_json: bool) -> None:
    if as_json:
        fault = {"file": error.file, "position": error.position, "code": error.code}
        say_json({"ok": False, "problem": {**fault, "reason": error.reason}})
        return
    where = f"{error.file}, {error.position}" if error.position else error.file
    typer.echo(f"not a rulebook: {where}: {error.code}", err=True)
    if error.reason:
        typer.echo(f"  {error.reason}", err=True)


def _coverage(rulebook: Rulebook, found: Coverage) -> JsonObject:
    return {
        "ok": found.complete,
        "digest": rulebook.digest,
        "rules": len(rulebook.rules),
        "roles": len(rulebook.catalogues.roles),
        "kinds": len(KINDS),
        "permitted": len(found.permitted),
        "forbidden": len(found.forbidden),
        "silent": [{"role": role, "kind": kind} for role, kind in found.silent],
        "unreached": list[Json](found.unreached),
    }


def _say_coverage(rulebook: Rulebook, found: Coverage) -> None:
    typer.echo(
        f"rulebook {rulebook.digest[:16]}: {len(rulebook.rules)} rules,"
        f" {len(rulebook.catalogues.roles)} roles, {len(KINDS)} kinds;"
        f" {len(found.permitted)} cells with a permit, {len(found.forbidden)} with a forbid,"
        f" {len(found.silent)} with neither"
    )
    by_role: dict[str, list[str]] = {}
    for role, kind in found.silent:
        by_role.setdefault(role, []).append(kind)
    for role, kinds in by_role.items():
        typer.echo(f"no rule and no forbid, {role}: {' '.join(kinds)}")
    for rule in found.unreached:
        typer.echo(f"no model case reaches rule {rule}: the matrix does not show it")
    typer.echo("ok" if found.complete else "not ok: say what is meant, by a rule or a forbid")


def matrix(kind: str | None, *, form: str, rulebook_dir: Path | None, as_json: bool) -> int:
    """Print who may be told what: of one kind, or of every kind somebody is told of."""
    if form not in {"table", "csv", "html"}:
        raise Trouble("--format: one of table, csv, html")
    if kind is not None and kind not in KINDS:
        raise Trouble(f"--kind: not a kind; there are: {' '.join(sorted(KINDS))}")
    rulebook = load_rulebook(rulebook_texts(rulebook_dir))
    matrices = [matrix_of(rulebook, (one,)) for one in _shown(_kinds(rulebook, kind), "Asking")]
    if as_json:
        say_json({"digest": rulebook.digest, "matrices": [_matrix(one) for one in matrices]})
    elif form == "csv":
        typer.echo(as_csv(matrices), nl=False)
    elif form == "html":
        page = as_html(matrices, rulebook, printed_on=clock.day(clock.now()))
        typer.echo(page, nl=False)
    else:
        _say_matrices(matrices, whole=kind is not None)
        typer.echo("; ".join(f"{letter} {words}" for letter, words in LEGEND.items()))
        typer.echo(f"rulebook {rulebook.digest}")
    for rule in unreached(rulebook, rulebook.catalogues.roles) if kind is None else ():
        typer.echo(f"not shown, for no model case reaches it: rule {rule}", err=True)
    return OK


def _kinds(rulebook: Rulebook, kind: str | None) -> Sequence[str]:
    if kind is not None:
        return (kind,)
    roles = rulebook.catalogues.roles
    return sorted({one for role in roles for one in told_kinds(rulebook, role)})


def _shown(items: Iterable[str], title: str) -> Iterable[str]:
    """Show progress on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    return track(list(items), title, console=console, disable=not console.is_terminal)


def _matrix(found: Matrix) -> JsonObject:
    return {
        "kinds": list[Json](found.kinds),
        "rows": [
            {
                "role": row.role,
                "told": row.told,
                "cells": {
                    group: {
                        "letter": cell.letter,
                        "members": list[Json](cell.members),
                        "rules": list[Json](cell.rules),
                        "bases": list[Json](cell.bases),
                        "decided_by": list[Json](cell.decided_by),
                    }
                    for group, cell in row.cells.items()
                    if cell.letter != "-"
                },
            }
            for row in found.rows
        ],
    }


def _say_matrices(matrices: Sequence[Matrix], *, whole: bool) -> None:
    console = Console(width=None if Console().is_terminal else 200, highlight=False)
    if whole:
        for one in matrices:
            console.print(_by_group(one))
        return
    table = Table(title="Who is told of what, and for what")
    for head in ("Kind", "For action", "For information", "By a person's decision"):
        table.add_column(head, overflow="fold")
    for one in matrices:
        told = [
            ", ".join(row.role for row in one.rows if row.told == use)
            for use in ("action", "information", "decision")
        ]
        table.add_row(" ".join(one.kinds), *told)
    console.print(table)


def _by_group(found: Matrix) -> Table:
    table = Table(title=f"Who is told what of {' '.join(found.kinds)}")
    table.add_column("Role", no_wrap=True)
    table.add_column("For", no_wrap=True)
    for number, _ in enumerate(found.rows[0].cells, start=1):
        table.add_column(f"G{number}", no_wrap=True)
    for row in found.rows:
        table.add_row(row.role, row.told, *(cell.letter for cell in row.cells.values()))
    return table


def test(file: Path, *, rulebook_dir: Path | None, as_json: bool) -> int:
    """Run vectors. 0 if every one ran and came out as expected; 1 if not."""
    try:
        text = read_file(file, _MAX_VECTORS).decode("utf-8")
    except UnicodeDecodeError:
        raise Trouble(f"{file} is not UTF-8 text") from None
    vectors = read_vectors(text, file=file.name)
    rulebook = load_rulebook(rulebook_texts(rulebook_dir))
    results = list(run(vectors, rulebook, CHECKS))
    passed = sum(result.passed for result in results)
    if as_json:
        say_json(
            {
                "ok": passed == len(results),
                "digest": rulebook.digest,
                "vectors": [_result(result) for result in results],
            }
        )
    else:
        for result in results:
            _say_result(result)
        typer.echo(f"{passed} of {len(results)} vectors as expected; rulebook {rulebook.digest}")
    return OK if passed == len(results) else NO


def _result(result: Result) -> JsonObject:
    return {
        "id": result.vector.id,
        "title": result.vector.title,
        "check": result.vector.check,
        "ran": result.ran,
        "passed": result.passed,
        "verdict": result.outcome.verdict,
        "reasons": list[Json](sorted(result.outcome.reasons)),
        "members": list[Json](sorted(result.outcome.members)),
        "faults": list[Json](result.faults),
    }


def _say_result(result: Result) -> None:
    mark = "ok     " if result.passed else "WRONG  " if result.ran else "NOT RUN"
    typer.echo(f"{mark} {result.vector.id:>4}  {result.outcome.verdict:<8} {result.vector.title}")
    for fault in result.faults:
        typer.echo(f"              {fault}")


def diff(old: Path, new: Path, *, as_json: bool) -> int:
    """Say what changed between two rulebooks. 0: compared, whatever was found."""
    found = compare(rulebook_texts(old), rulebook_texts(new))
    cells = [cell for kind in _shown(found.kinds, "Comparing") for cell in found.cells(kind)]
    if as_json:
        say_json(_difference(found, cells))
        return OK
    if found.same:
        typer.echo(f"the same rulebook, {found.old.digest}")
        return OK
    typer.echo(f"from {found.old.digest}\nto   {found.new.digest}")
    for file in found.files:
        typer.echo(f"changed file: {file}")
    for rule in found.rules:
        for line in _rule_lines(rule):
            typer.echo(line)
    for cell in cells:
        typer.echo(_cell_line(cell))
    if not cells:
        typer.echo("no cell of the matrix changes")
    return OK


def _rule_lines(rule: RuleChange) -> Iterator[str]:
    yield f"rule {rule.rule}: {rule.change}"
    if rule.change == "changed":
        for one in rule.fields:
            yield f"  {one.name}:"
            if one.name in {"groups", "bases"}:
                old, new = one.old.split(), one.new.split()
                yield from (f"    - {word}" for word in old if word not in new)
                yield from (f"    + {word}" for word in new if word not in old)
            else:
                yield f"    - {one.old or '(none)'}"
                yield f"    + {one.new or '(none)'}"


def _cell_line(cell: CellChange) -> str:
    names = [f"+{path}" for path in cell.gained] + [f"-{path}" for path in cell.lost]
    what = f" ({' '.join(names)})" if names else ""
    return f"{cell.kind}, {cell.role}, {cell.group}: {cell.old.letter} to {cell.new.letter}{what}"


def _difference(found: Difference, cells: Sequence[CellChange]) -> JsonObject:
    return {
        "old": found.old.digest,
        "new": found.new.digest,
        "same": found.same,
        "files": list[Json](found.files),
        "rules": [
            {
                "rule": rule.rule,
                "change": rule.change,
                "fields": [{"name": f.name, "old": f.old, "new": f.new} for f in rule.fields],
            }
            for rule in found.rules
        ],
        "cells": [
            {
                "kind": cell.kind,
                "role": cell.role,
                "group": cell.group,
                "old": cell.old.letter,
                "new": cell.new.letter,
                "gained": list[Json](cell.gained),
                "lost": list[Json](cell.lost),
            }
            for cell in cells
        ],
    }


def say_json(value: Mapping[str, Json]) -> None:
    """Print one JSON object."""
    typer.echo(orjson.dumps(value).decode())
