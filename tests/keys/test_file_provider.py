import os
import stat
from pathlib import Path

import pytest

from keys.problem import BadKey
from keys.providers import file
from keys.providers.secret_file import MAX_FILE, read_secret, write_secret


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kek"


def refusal(path: Path) -> str:
    with pytest.raises(BadKey) as error:
        file.load(path)
    return error.value.code


def test_a_created_key_loads_again_as_the_same_key(path: Path) -> None:
    file.create(path)
    wrapped = file.load(path).wrap(bytes(32), b"c")
    assert file.load(path).unwrap(wrapped, b"c") == bytes(32)


def test_the_file_is_closed_to_everyone_else_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        file.create(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["kek"]  # no draft left behind


def test_two_created_keys_differ(path: Path) -> None:
    file.create(path)
    other = path.with_name("other")
    file.create(other)
    assert file.load(path).derive("x") != file.load(other).derive("x")


def test_a_key_is_never_overwritten(path: Path) -> None:
    file.create(path)
    before = path.read_bytes()
    with pytest.raises(BadKey) as error:
        file.create(path)
    assert error.value.code == "exists"
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["kek"]


def test_creating_over_a_dangling_link_is_refused(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(BadKey):
        file.create(path)
    assert not path.with_name("elsewhere").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o601, 0o620, 0o602, 0o644, 0o777])
def test_a_file_open_to_others_is_refused(path: Path, mode: int) -> None:
    file.create(path)
    path.chmod(mode)
    assert refusal(path) == "open-to-others"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_only_its_owner_reads_is_accepted(path: Path, mode: int) -> None:
    file.create(path)
    path.chmod(mode)
    assert len(file.load(path).derive("x")) == 32


def test_a_symbolic_link_is_refused(path: Path) -> None:
    real = path.with_name("real")
    file.create(real)
    path.symlink_to(real)
    assert refusal(path) == "symlink"


def test_a_folder_a_pipe_and_nothing_are_refused_at_once(path: Path) -> None:
    assert refusal(path) == "missing"
    os.mkfifo(path, 0o600)
    assert refusal(path) == "not-a-file"
    path.unlink()
    path.mkdir(mode=0o700)
    assert refusal(path) == "not-a-file"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "malformed"),
        ("thkek_", "length"),
        ("thkek_AAAA", "length"),
        ("thkek_" + "A" * 42, "length"),
        ("thkek_" + "A" * 43 + "=", "malformed"),
        ("thkek_" + "A" * 42 + "B", "malformed"),
        ("A" * 43, "malformed"),
        ("thkek_" + "A" * 44, "length"),
        ("thkek_" + "A" * 1000, "length"),
        ("thkek_é", "malformed"),
    ],
)
def test_a_file_that_holds_no_key_is_refused(path: Path, text: str, code: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
    assert refusal(path) == code


def test_a_final_line_feed_does_not_matter(path: Path) -> None:
    path.write_text("thkek_" + "A" * 43 + "\n")
    path.chmod(0o600)
    assert len(file.load(path).derive("x")) == 32


def test_any_other_secret_file_keeps_the_same_rules(path: Path) -> None:
    write_secret(path, " whsk_text \n")
    assert read_secret(path) == "whsk_text"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(BadKey):
        read_secret(path)
    path.chmod(0o600)
    path.write_text("x" * (MAX_FILE + 1))
    with pytest.raises(BadKey) as error:
        read_secret(path)
    assert error.value.code == "length"
