"""The matrix written out: as CSV, and as one page that a lawyer can read and sign."""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date
from html import escape
from typing import Final

from policies.review.matrix import Cell, Matrix, Row, titles
from policies.rule import Rule
from policies.rulebook import Rulebook

CSV_COLUMNS: Final = ("kinds", "role", "told", "group", "letter", "members", "rules", "bases")

LEGEND: Final = {
    "Y": "the whole group",
    "S": "a form or part of the group",
    "C": "more in some cases than in others in which the role is told",
    "H": "only by a named person's decision, each time",
    "-": "never",
}


def as_csv(matrices: Sequence[Matrix]) -> str:
    """Return one line per cell that gives anything; a role told nothing has no line. Pure."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for matrix in matrices:
        for row in matrix.rows:
            for group, cell in row.cells.items():
                if cell.letter != "-":
                    writer.writerow(_line(matrix, row, group, cell))
    return out.getvalue()


def _line(matrix: Matrix, row: Row, group: str, cell: Cell) -> Sequence[str]:
    return (
        " ".join(matrix.kinds),
        row.role,
        row.told,
        group,
        cell.letter,
        " ".join(path.partition(".")[2] for path in cell.members),
        " ".join(cell.rules),
        " ".join(cell.bases),
    )


def as_html(matrices: Sequence[Matrix], rulebook: Rulebook, *, printed_on: date) -> str:
    """Return one self-contained page: a table per matrix, the rules behind them, and where to sign.

    Args:
        matrices: Of `rulebook`.
        printed_on: For the heading and the signature.

    Pure.
    """
    parts = [
        _HEAD.format(style=_STYLE),
        "<h1>Who may be told what</h1>",
        f"<p>Rulebook <code>{escape(rulebook.digest)}</code>.</p>",
        f"<p>Computed from the rules, not typed. Printed {printed_on.isoformat()}.</p>",
        _legend(),
        *(_table(matrix, rulebook) for matrix in matrices),
        _rules(matrices, rulebook),
        _bases(matrices, rulebook),
        _SIGNATURE,
        "</main></body></html>\n",
    ]
    return "\n".join(parts)


def _legend() -> str:
    items = "".join(f"<dt>{letter}</dt><dd>{words}</dd>" for letter, words in LEGEND.items())
    return f"<h2>What the letters mean</h2><dl>{items}</dl>"


def _table(matrix: Matrix, rulebook: Rulebook) -> str:
    named = titles(rulebook.catalogues)
    kinds = ", ".join(matrix.kinds)
    rows = [row for row in matrix.rows if row.told != "-"]
    if not rows:
        return f"<h2>{escape(kinds)}</h2><p>Nobody is told of this.</p>"
    heads = "".join(f'<th scope="col">{escape(title)}</th>' for title in named.values())
    body = "\n".join(_table_row(row, rulebook) for row in rows)
    unnamed = [row.role for row in matrix.rows if row.told == "-"]
    never = f"<p>Told nothing: {escape(', '.join(_role(one, rulebook) for one in unnamed))}.</p>"
    return (
        f'<h2>{escape(kinds)}</h2><div class="wide" tabindex="0" role="region" '
        f'aria-label="{escape(kinds)}"><table><caption>Role by field group: {escape(kinds)}'
        f'</caption><thead><tr><th scope="col">Role</th><th scope="col">Told for</th>{heads}</tr>'
        f"</thead><tbody>\n{body}\n</tbody></table></div>{never if unnamed else ''}"
    )


def _table_row(row: Row, rulebook: Rulebook) -> str:
    cells = "".join(_table_cell(cell) for cell in row.cells.values())
    title = escape(_role(row.role, rulebook))
    return f'<tr><th scope="row">{title}</th><td>{row.told}</td>{cells}</tr>'


def _table_cell(cell: Cell) -> str:
    if cell.letter == "-":
        return "<td>-</td>"
    parts = ", ".join(path.partition(".")[2] for path in cell.members)
    detail = "" if cell.letter == "Y" else f"<small>{escape(parts)}</small>"
    bases = f"<small>{escape(' '.join(cell.bases))}</small>"
    return f"<td><strong>{cell.letter}</strong>{detail}{bases}</td>"


def _role(role: str, rulebook: Rulebook) -> str:
    entry = rulebook.catalogues.roles[role]
    return f"{'/'.join(entry.codes)} {entry.title}"


def _relied_on(matrices: Sequence[Matrix]) -> Iterator[Cell]:
    for matrix in matrices:
        for row in matrix.rows:
            yield from row.cells.values()


def _rules(matrices: Sequence[Matrix], rulebook: Rulebook) -> str:
    ids = {rule for cell in _relied_on(matrices) for rule in cell.rules}
    permits = [rulebook.rules[id_] for id_ in sorted(ids)]
    forbids = sorted(
        (rule for rule in rulebook.rules.values() if rule.effect == "forbid"),
        key=lambda rule: rule.id,
    )
    return (
        '<h2>The rules behind the letters</h2><div class="wide" tabindex="0" role="region" '
        'aria-label="Rules"><table><caption>Rules that grant</caption><thead><tr>'
        '<th scope="col">Rule</th><th scope="col">Role</th><th scope="col">For</th>'
        '<th scope="col">Bases</th><th scope="col">Purpose</th><th scope="col">Decided by</th>'
        '<th scope="col">Source</th></tr></thead><tbody>'
        + "".join(_permit(rule, rulebook) for rule in permits)
        + "</tbody></table></div><h2>What no rule can outweigh</h2><ul>"
        + "".join(_forbid(rule) for rule in forbids)
        + "</ul>"
    )


def _permit(rule: Rule, rulebook: Rulebook) -> str:
    said = (
        _role(rule.role, rulebook),
        "action" if rule.for_action else "information",
        " ".join(rule.bases),
        rule.purpose.replace("_", " "),
        rule.decided_by.replace("_", " ") or "the rule",
        rule.source,
    )
    cells = "".join(f"<td>{escape(text)}</td>" for text in said)
    return f'<tr><th scope="row"><code>{escape(rule.id)}</code></th>{cells}</tr>'


def _forbid(rule: Rule) -> str:
    lifted = f" May be lifted by a {rule.decided_by.replace('_', ' ')}." if rule.decided_by else ""
    return (
        f"<li><code>{escape(rule.id)}</code>: {escape(rule.reason)}{escape(lifted)} "
        f"<small>{escape(rule.source)}</small></li>"
    )


def _bases(matrices: Sequence[Matrix], rulebook: Rulebook) -> str:
    ids = sorted({basis for cell in _relied_on(matrices) for basis in cell.bases})
    entries = [(basis, rulebook.catalogues.bases[basis]) for basis in ids]
    checked = {"V": "read at source", "G": "general knowledge, to be checked"}
    items = "".join(
        f"<dt>{escape(basis)}</dt><dd>{escape(entry.citation)} ({entry.regime}; "
        f"{checked[entry.verified]}). {escape(entry.source)}</dd>"
        for basis, entry in entries
    )
    return f"<h2>Legal bases relied on</h2><dl>{items}</dl>"


_HEAD: Final = """\
<!DOCTYPE html>
<html lang="en-GB"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Need-to-know matrix</title><style>{style}</style></head><body><main>"""

_STYLE: Final = (
    "body{font:1rem/1.4 sans-serif;color:#0b0c0c;background:#fff;margin:2rem}"
    "table{border-collapse:collapse;margin:1rem 0}caption{text-align:left;font-weight:bold}"
    "th,td{border:1px solid #505a5f;padding:.3rem .4rem;text-align:left;vertical-align:top}"
    "small{display:block}.wide{overflow-x:auto}dt{font-weight:bold}"
    "@media print{body{margin:0;font-size:.7rem}.wide{overflow:visible}h2{break-after:avoid}}"
)

_SIGNATURE: Final = """\
<h2>Signed</h2>
<table><caption>Read and agreed as the rules in force</caption><thead><tr>
<th scope="col">Capacity</th><th scope="col">Name</th><th scope="col">Signature</th>
<th scope="col">Date</th></tr></thead><tbody>
<tr><th scope="row">Data protection officer</th><td>&nbsp;</td><td>&nbsp;</td><td>&nbsp;</td></tr>
<tr><th scope="row">MAPPA coordinator</th><td>&nbsp;</td><td>&nbsp;</td><td>&nbsp;</td></tr>
<tr><th scope="row">Legal adviser</th><td>&nbsp;</td><td>&nbsp;</td><td>&nbsp;</td></tr>
</tbody></table>"""
