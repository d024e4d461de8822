"""The page about feeds has every key, code and verdict the program has."""

import ast
from pathlib import Path

import pytest
from pydantic import BaseModel

import gateway.feeds
from gateway.config import Config
from gateway.config.feeds import FolderFeedConfig, MeshFeedConfig, MllpFeedConfig, SqsFeedConfig
from tests.docs.pages import ROOT, blocks, codes, prose, rows, section
from tests.docs.test_reference import config_fields

PAGE = ROOT / "docs/feeds.md"
COMMON = {"kind": "required", "name": "required", "agency": "required", "adapter": "none"}


def stated(heading: str) -> dict[str, str]:
    return {
        codes(cells[0])[0]: cells[1].strip("`")
        for cells in rows(section(PAGE, heading))
        if len(cells) == 3
    }


def test_every_feed_has_the_keys_the_page_says() -> None:
    assert stated("Every feed") == COMMON


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("SQS", SqsFeedConfig),
        ("HL7 over MLLP", MllpFeedConfig),
        ("Drop folder", FolderFeedConfig),
        ("NHS MESH", MeshFeedConfig),
    ],
)
def test_every_kind_has_the_keys_and_defaults_the_page_says(
    heading: str, model: type[BaseModel]
) -> None:
    own = {name: value for name, value in config_fields(model) if name not in COMMON}
    assert stated(heading) == own


def test_the_example_is_a_configuration() -> None:
    import tomllib

    [block] = [block for block in blocks(PAGE) if block.language == "toml"]
    given = tomllib.loads(block.text) | {"instance": {"name": "throughgate.example/x"}}
    assert [feed.kind for feed in Config.model_validate(given).feed] == ["sqs", "mllp", "folder"]


def test_codes_for_waiting_and_passing_over_are_on_a_page() -> None:
    text = prose(PAGE) + prose(ROOT / "docs/operator.md")
    source = Path(str(gateway.feeds.__file__)).parent
    tree = ast.parse((source / "drop.py").read_text() + (source / "verdict.py").read_text())
    words = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and node.value in ("symlink", "not-a-file", "foreign-owner", "second-name", "behind",
                           "agency-unknown", "event-needs-human")
    }  # fmt: skip
    assert len(words) == 7
    assert [word for word in words if f"`{word}`" not in text] == []
