"""Every statement the program gives to a connection is one that PostgreSQL takes too.

It prepares each: the tables, the columns, the functions and the types of the bindings are looked up
as when it runs. Whether it gives the same rows is for the store's contract to show.
"""

from collections.abc import Mapping
from typing import Any, Final

import psycopg
import pytest
from psycopg.pq import ExecStatus

from gateway.console.pages import delivery_rows, evidence_subject
from gateway.store import (
    gauges,
    leases,
    log_index,
    log_paths,
    retention,
    rewrap,
    tasks,
)
from gateway.store.postgres.translate import translated
from tests.store.statements import found
from tests.support.postgres import fresh_database

_MARKS: Final = "?, ?"


def _texts_of(module: Any) -> list[str]:
    """Return the module's statements that are constants."""
    return [
        value
        for name, value in vars(module).items()
        if isinstance(value, str) and name.startswith("_") and value.startswith("SELECT ")
    ]


# What the statements of a module are put together of besides its constants.
LOCALS: Final[Mapping[str, Mapping[str, Any]]] = {
    "audit/asking.py": {"marks": _MARKS},
    "audit/findings.py": {"order": ["", "DESC"]},
    "cli/log_export.py": {"name": ["leaf", "body"]},
    "cli/person.py": {"marks": _MARKS},
    "console/pages/delivery_rows.py": {"state": list(delivery_rows._LISTS)},
    "console/pages/evidence_subject.py": {"sql": evidence_subject._FORMS.format(_MARKS)},
    "console/pages/proofs.py": {"table": ["log_checkpoint", "log_witnessed"]},
    "store/alerts.py": {
        "where": [
            ["TRUE", "recipient = ?", "decided_at >= ?"],
            ["answer IS NULL AND recalled = 0 AND (answer_by IS NOT NULL OR rung > 0)"],
        ]
    },
    "store/approvals.py": {"where": ["id = ?", "state = 'open' AND kind = ?"]},
    "store/deliveries.py": {
        "alert": [None, "alt"],
        "where": [["TRUE", "coalesce(receipt_at, settled_at, decided_at) >= ?", "endpoint = ?"]],
    },
    "store/duties.py": {"where": [["clock <> '*'", "person = ?", "status LIKE 'late%'"]]},
    "store/erasure.py": {"where": "ref = ? AND length(wrapped_key) = 0"},
    "store/gauges.py": {"sql": _texts_of(gauges)},
    "store/history.py": {
        "where": [
            "event.person IN (SELECT ref FROM person WHERE ref = ?1 OR merged_into = ?1)",
            "outbox.person = ?1 AND outbox.decided_at >= ?2",
        ]
    },
    "store/leases.py": {"statement": _texts_of(leases)},
    "store/log_index.py": {"probes": ["", log_index._PROBE.format(ids="1, 2")]},
    "store/log_paths.py": {"statement": _texts_of(log_paths)},
    "store/log_reader.py": {"name": ["leaf", "body"]},
    "store/merges.py": {
        "some": _MARKS,
        "others": "?, ?, ?",
        "where": [f"absorbed IN ({_MARKS}) AND undone_at IS NULL", "event = ?"],
    },
    "store/people.py": {"where": "ref = ? AND length(wrapped_key) > 0"},
    "store/recognition.py": {"marks": _MARKS},
    "store/retention.py": {
        "walk": list(retention._WALKS.values()),
        "statements": [one.statements for one in retention._WALKS.values()],
        "statement": [text for one in retention._WALKS.values() for text in one.statements],
    },
    "store/rewrap.py": {"table": list(rewrap._TABLES)},
    "store/staff.py": {"sql": ["SELECT body FROM staff WHERE id = ?"]},
    "store/tasks.py": {
        "where": ["id = ?", tasks._SAME_DISCLOSURE, tasks._SAME_DOUBT, tasks._OF_PERSON]
    },
}


def test_every_statement_is_one_that_postgresql_prepares() -> None:
    refused: list[str] = []
    tried = 0
    with fresh_database() as url, psycopg.connect(url, autocommit=True) as connection:
        for one in found(LOCALS):
            for statement in translated(one.text):
                result = connection.pgconn.prepare(b"", statement.sql)
                tried += 1
                if result.status != ExecStatus.COMMAND_OK:
                    text = result.error_message.decode().splitlines()[0]
                    refused.append(f"{one.where}: {text}: {one.text[:200]}")
    assert not refused, "\n".join(refused)
    assert tried > 350, "the search has lost sight of the statements"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("SELECT ?, ?2, ?1, ?", "SELECT $1, $2, $1, $3"),
        ("SELECT :a, ':b', :b, :a -- :c", "SELECT $1, ':b', $2, $1"),
        ("SELECT x'', X'0aFF', 'x''y'", r"SELECT '\x'::bytea, '\x0aFF'::bytea, 'x''y'"),
        (
            "SELECT max(a), max(a, min(b, ?)) FROM t",
            "SELECT max(a), greatest(a, least( b, $1)) FROM t",
        ),
        ("SELECT a FROM t INDEXED BY t_a WHERE a", "SELECT a FROM t  WHERE a"),
        (
            "SELECT 1 FROM a CROSS JOIN b AS c ON c.x = a.x",
            "SELECT 1 FROM a JOIN b AS c ON c.x = a.x",
        ),
        ("SELECT 1 FROM a CROSS JOIN b WHERE ?", "SELECT 1 FROM a CROSS JOIN b WHERE $1"),
        ("SELECT substr(a, -12), substr(a, 1, 2)", "SELECT right(a, 12), substr(a, 1, 2)"),
        ("SELECT instr(a, ' ')", "SELECT strpos(a, ' ')"),
        ("WHERE (:m >> slot) & 1 = 1", "WHERE (CAST($1 AS BIGINT) >> slot) & 1 = 1"),
        (
            "IN (SELECT value FROM json_each(:own))",
            "IN (SELECT value FROM json_array_elements_text(CAST($1 AS json)) AS each (value))",
        ),
    ],
)
def test_what_only_sqlite_reads_is_put_in_other_words(written: str, read: str) -> None:
    (statement,) = translated(written)
    assert "".join(statement.sql.decode().split()) == "".join(read.split())


def test_several_statements_share_their_bindings() -> None:
    one, two = translated("UPDATE a SET b = :x WHERE c = :y; DELETE FROM a WHERE d = ';' || :x;")
    assert (one.keys, two.keys) == (("x", "y"), ("x",))
    assert two.values({"x": 1, "y": 2}) == [1]
