"""The console's benchmark looks at every page, at a size a test can afford."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bench import console, console_store, console_visits
from bench.console_store import Stood
from bench.problem import NotMeasured

TINY = console.Plan(entries=1000, persons=100, requests=1, pdf=False, rulebook=False)


def _stood(folder: Path) -> Stood:
    return asyncio.run(
        console_store.build(folder / "instance", entries=TINY.entries, persons=TINY.persons)
    )


def test_every_page_is_looked_at_and_small(tmp_path: Path) -> None:
    found = asyncio.run(console.visited(TINY, _stood(tmp_path)))
    said = dict(line.split(": ") for line in console.lines(found))
    assert list(said)[-1] == "console_largest_kb"
    assert 0 < float(said["console_largest_kb"]) < 100
    assert all(float(value) >= 0 for value in said.values())
    assert {"overview", "disclosure", "timeline", "evidence_lapsed", "approval"} <= found.keys()


@pytest.mark.parametrize(
    ("change", "why"),
    [({"says": "what is on no page"}, "does not show"), ({"path": "/console/no"}, "answers 404")],
    ids=["another", "none"],
)
def test_what_a_page_should_show_is_looked_for(
    change: dict[str, str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stood = _stood(tmp_path)
    wrong = replace(next(console_visits.visits(stood)), **change)  # type: ignore[arg-type]
    monkeypatch.setattr(console, "visits", lambda _stood: iter([wrong]))
    with pytest.raises(NotMeasured, match=why):
        asyncio.run(console.visited(TINY, stood))
