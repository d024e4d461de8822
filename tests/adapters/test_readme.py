"""The worked example of adapters/README.md is run as it stands, contract and all."""

import re
from pathlib import Path
from typing import Any

import pytest

import adapters
from adapters.contract import Adapter, UnsupportedEvent
from gateway.model.problem import MalformedEvent

README = Path(adapters.__file__).with_name("README.md")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)

# Into this module: the test class the reader is told to write is then collected here.
for _block in BLOCKS:
    exec(compile(_block, str(README), "exec"), globals())

EXAMPLE: Any = globals()["ADAPTER"]
LINE = b"2026-02-01T09:30:00Z|X777978|PLACED|Example Lodge"


def test_the_example_is_an_adapter_with_its_contract() -> None:
    assert len(BLOCKS) == 2
    assert isinstance(EXAMPLE, Adapter)
    assert globals()["TestTenancyLines"].adapter is EXAMPLE


def test_the_line_shown_is_translated() -> None:
    assert LINE.decode() in README.read_text()
    (event,) = EXAMPLE.translate(LINE, source="urn:example:housing")
    assert event.kind == "accommodation.placed"
    assert event.groups["identifiers"]["crn"] == "X777978"
    assert event.groups["location"]["tenancy"] == "Example Lodge"


def test_an_unknown_code_waits_for_a_human() -> None:
    with pytest.raises(UnsupportedEvent) as caught:
        EXAMPLE.translate(LINE.replace(b"PLACED", b"MOVED"), source="urn:example:housing")
    assert caught.value.needs_human


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (LINE.replace(b"X777978", b"X1"), "$.data.identifiers.crn"),
        (LINE.replace(b"Z|", b"|"), "$.data.identifiers.as_of"),
        (LINE + b"|more", "$"),
        (b"\xff", "$"),
    ],
)
def test_a_bad_column_is_named_by_path(line: bytes, path: str) -> None:
    with pytest.raises(MalformedEvent) as caught:
        EXAMPLE.translate(line, source="urn:example:housing")
    assert caught.value.problems[0].path == path
