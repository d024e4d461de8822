"""The configuration file is read strictly, and every fault is named by its key."""

import re
from pathlib import Path

import pytest

from gateway.cli.instance import DEFAULT_SECTIONS
from gateway.config import BadConfig, load_config

INSTANCE = '[instance]\nname = "throughgate.example/test"\n'


def load(tmp_path: Path, text: str) -> object:
    file = tmp_path / "throughgate.toml"
    file.write_text(text)
    return load_config(file)


def test_what_init_writes_is_read(tmp_path: Path) -> None:
    assert load(tmp_path, INSTANCE + DEFAULT_SECTIONS)
    commented = DEFAULT_SECTIONS.replace("# [", "[").replace("\n# ", "\n")
    uncommented = "\n".join(line for line in commented.splitlines() if re.match(r"\w+ = |\[", line))
    assert load(tmp_path, INSTANCE + uncommented)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (INSTANCE + "[http]\nprot = 1\n", "http.prot"),
        (INSTANCE + "[http]\nport = 70000\n", "http.port"),
        (INSTANCE + '[webhook]\nallowed_networks = ["nonsense"]\n', "webhook.allowed_networks"),
        (INSTANCE + "[nonsense]\n", "nonsense"),
        ('[instance]\nname = "Has Spaces"\n', "instance.name"),
        ("[http]\n", "instance"),
        ("home = 1\n" + INSTANCE, "home"),
        ("not toml", "TOML"),
    ],
)
def test_faults_are_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(BadConfig, match=named):
        load(tmp_path, text)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="throughgate init"):
        load_config(tmp_path / "none.toml")
