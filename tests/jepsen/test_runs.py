"""Real processes under real faults, recorded and judged; and every planted bug is found.

A failure prints its seed; THROUGHGATE_SEED plays it again. THROUGHGATE_LONG_FAULTS=1 plays twenty
seeds of each form, and the planted bugs; by day there is one short run.
"""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.jepsen.__main__ import judged
from tests.jepsen.driver import record
from tests.jepsen.judge import verdict_of
from tests.jepsen.plan import Form, Plan
from tests.jepsen.planted import BUGS
from tests.support.histories import chosen_seed
from tests.support.night import by_night

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

SEEDS = 20


def plan(form: Form, *, seconds: float = 6.0, seed: int | None = None) -> Plan:
    seed = chosen_seed() if seed is None else seed
    return Plan(
        seed=seed, form=form, workers=1 + seed % 2, seconds=seconds, planted=None, urls=(),
        readers=(),
    )  # fmt: skip


def played(one: Plan, folder: Path) -> tuple[int, str]:
    asyncio.run(record(one, folder))
    return judged(folder)


@by_night
def test_a_short_run_under_faults_is_clean(tmp_path: Path) -> None:
    one = replace(
        plan("embedded", seconds=0.5), workers=1, receivers=1, only=("storm", "receiver-dies")
    )
    code, text = played(one, tmp_path / "run")
    assert code == 0, text
    found = verdict_of(tmp_path / "run").recorded
    assert found.faults
    assert found.deliveries
    assert found.notes


@by_night
@pytest.mark.parametrize("form", ["embedded", "scaled"])
@pytest.mark.parametrize("_number", range(SEEDS))
def test_a_run_under_faults_is_clean(tmp_path: Path, form: Form, _number: int) -> None:
    code, text = played(plan(form), tmp_path / "run")
    assert code == 0, text


ANYWHERE = {
    # bug: the faults that bring it out, and what it is found by, one of these at least
    "ack-before-commit": (("kill-all",), {"lost"}),
    "send-before-log": (("kill-all",), {"sent-before-logged"}),
    "two-decisions": (("storm",), {"decided-twice"}),
    "forked-checkpoint": (("storm",), {"log-rewritten"}),
}
SCALED = {
    "redis-as-truth": (("redis-flushed", "redis-empty"), {"lost", "two-answers"}),
    "lease-without-fence": (("pause-past-lease",), {"two-outcomes", "repeat-unexplained"}),
}


def test_every_bug_has_its_test() -> None:
    assert ANYWHERE.keys() | SCALED.keys() == BUGS.keys()


@by_night
@pytest.mark.parametrize(
    ("form", "bug"),
    [*(("embedded", bug) for bug in ANYWHERE), *(("scaled", bug) for bug in SCALED)],
)
def test_a_planted_bug_is_found(tmp_path: Path, form: Form, bug: str) -> None:
    only, codes = (ANYWHERE | SCALED)[bug]
    slow = 0.8 if bug == "lease-without-fence" else 0.25  # what is on the wire when its lease ends
    one = replace(plan(form, seconds=8.0), workers=1, planted=bug, only=only, slow=slow)
    code, text = played(one, tmp_path / "run")
    assert code != 0, text
    found = {broken.code for broken in verdict_of(tmp_path / "run").broken}
    assert codes & found, text
