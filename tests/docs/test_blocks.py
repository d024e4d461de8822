"""Every block of the documentation does what the page says, against the real thing."""

import json
import shutil
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gateway.model.event import parse_cloudevent
from gateway.model.strict_json import read_json
from policies.rulebook import load_rulebook
from tests.docs import deliveries, stages
from tests.docs.pages import PAGES, Block, blocks, name_of
from tests.docs.session import session
from tests.policies.cases import FILES
from tests.third_party import missing

# adapters/README.md has its own test, which also inherits the contract it shows.
READ = [page for page in PAGES if name_of(page) != "adapters/README.md"]
STAGES: Mapping[str, stages.StageOf] = {
    "docs/agency-integrator.md": stages.served,
    "docs/audit.md": stages.told,
    "docs/recipient.md": stages.told,
    "docs/recipients/opening-alerts.md": deliveries.delivered,
    "docs/dpo.md": stages.told,
    "docs/runbook.md": stages.told,
}
RUN = ("sh", "python", "javascript")
UNCHECKED = ("text", "mermaid", "http")
ORDERS = ("", "file", "background", "exit", "output", "not run")


@pytest.mark.parametrize("page", READ, ids=name_of)
async def test_every_block_of_a_page_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    todo = [block for block in blocks(page) if block.order != "not run"]
    if any("openssl" in block.text for block in todo) and shutil.which("openssl") is None:
        missing("openssl")
    stage = STAGES.get(name_of(page), stages.nothing)
    async with stage(tmp_path) as port, session(tmp_path, port) as reader:
        for block in todo:
            try:
                await reader.do(block)
                _check(block)
            except Exception as error:
                error.add_note(f"in the block at {name_of(page)}:{block.line}")
                raise


@pytest.mark.parametrize("page", READ, ids=name_of)
def test_every_block_is_marked_for_what_becomes_of_it(page: Path) -> None:
    for block in blocks(page):
        where = f"{name_of(page)}:{block.line}"
        assert block.language in (*RUN, *_CHECKS, *UNCHECKED), where
        assert block.order in ORDERS, where
        assert block.argument or block.order not in ("file", "exit", "not run"), where


def test_the_audiences_pages_are_really_run() -> None:
    pages = (*STAGES, "README.md", "docs/operator.md", "docs/policy-author.md")
    for name in pages:
        page = next(one for one in READ if name_of(one) == name)
        assert [one for one in blocks(page) if one.language in RUN and one.order != "not run"]


def _check(block: Block) -> None:
    if block.language in _CHECKS:
        _CHECKS[block.language](block.text)


def _is_json(text: str) -> None:
    value = json.loads(text)
    if "specversion" in value and value["type"] != "org.throughgate.alert.v1":
        parse_cloudevent(read_json(text.encode()))


def _is_rule(text: str) -> None:
    before = load_rulebook(FILES)
    after = load_rulebook({**FILES, "rulebook/shown.cedar": text})
    assert len(after.rules) > len(before.rules)


_CHECKS: Mapping[str, Callable[[str], object]] = {
    "json": _is_json,
    "toml": tomllib.loads,
    "cedar": _is_rule,
}
