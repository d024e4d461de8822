"""The worked example of adapters/README.md is run as it stands, contract and all, and its table of
adapters is what is installed: ``python -m tests.adapters.test_readme`` writes that anew."""

import re
from pathlib import Path
from typing import Any

import pytest

import adapters
from adapters.contract import Adapter, UnsupportedEvent
from adapters.registry import find_adapters
from gateway.model.problem import MalformedEvent
from tests.adapters.examples import FOLDER
from tests.docs.pages import ROOT

README = Path(adapters.__file__).with_name("README.md")
AUTHOR = ROOT / "docs" / "adapter-author.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
TABLE = re.compile(r"(?<=test_readme` -->\n).*?(?=<!-- end -->)", re.DOTALL)

# Into this module: the test class the reader is told to write is then collected here.
for _block in BLOCKS:
    exec(compile(_block, str(README), "exec"), globals())

EXAMPLE: Any = globals()["ADAPTER"]
LINE = b"2026-02-01T09:30:00Z|X777978|PLACED|Example Lodge|112.50"
SOURCE = "urn:example:housing"


def table() -> str:
    """Return the rows that the README has of the adapters installed."""
    rows = [
        f"| {_linked(name)} | {one.title} | {'yes' if one.inbound else '-'} |"
        f" {', '.join(f'`{form.form}`' for form in one.outbound) or '-'} |"
        for name, one in find_adapters().items()
    ]
    head = ["| adapter | whose | reads | writes |", "|---|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def _linked(name: str) -> str:
    pages = (f"docs/reference/adapters/{name}.md", f"docs/reference/{name.partition('_')[0]}.md")
    page = next(page for page in pages if (ROOT / page).exists())
    return f"[`{name}`](../{page})"


def test_the_example_is_an_adapter_with_its_contract() -> None:
    assert len(BLOCKS) == 2
    assert isinstance(EXAMPLE, Adapter)
    assert globals()["TestTenancyLines"].adapter is EXAMPLE


def test_the_table_has_every_installed_adapter_and_no_other() -> None:
    found = TABLE.search(README.read_text("utf-8"))
    assert found is not None
    assert found.group() == table(), "run python -m tests.adapters.test_readme"


def test_the_line_shown_is_the_one_kept_and_is_translated() -> None:
    assert LINE.decode() in README.read_text()
    assert LINE in (FOLDER / "tenancy_lines" / "placed.in.txt").read_bytes()
    (event,) = EXAMPLE.translate(LINE, source=SOURCE).events
    assert event.kind == "accommodation.placed"
    assert event.groups["identifiers"]["crn"] == "X777978"
    assert event.groups["location"]["tenancy"] == "Example Lodge"


def test_an_unknown_code_waits_for_a_human() -> None:
    with pytest.raises(UnsupportedEvent) as caught:
        EXAMPLE.translate(LINE.replace(b"PLACED", b"MOVED"), source=SOURCE)
    assert caught.value.needs_human


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (LINE.replace(b"X777978", b"X1"), "$.data.identifiers.crn"),
        (LINE.replace(b"X777978", b""), "$.crn"),
        (LINE.replace(b"2026-02-01T", b"01/02/2026 "), "$.at"),
        (LINE + b"|more", "$"),
        (b"\xff", "$"),
    ],
)
def test_a_bad_column_is_named_by_path(line: bytes, path: str) -> None:
    with pytest.raises(MalformedEvent) as caught:
        EXAMPLE.translate(line, source=SOURCE)
    assert caught.value.problems[0].path == path


def test_the_short_page_names_the_contract_classes_there_are() -> None:
    from gateway.testing import adapter_contract

    named = set(re.findall(r"`(\w+Contract)`", AUTHOR.read_text("utf-8")))
    assert named == {name for name in vars(adapter_contract) if name.endswith("Contract")}


def _write() -> None:
    README.write_text(TABLE.sub(lambda _: table(), README.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    _write()
