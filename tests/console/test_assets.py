"""What the pages look like: from the installed package, under lasting names, small."""

import gzip
import re
from pathlib import Path

import pytest

from gateway.console import assets
from tests.console.stage import stage

MAX_FIRST_VIEW_BYTES = 100_000


async def test_a_first_view_is_small_and_comes_from_here_alone(tmp_path: Path) -> None:
    async with stage(tmp_path / "instance") as staged:
        client = staged.client()
        shown = await client.get("/console/sign-in")
        linked = re.findall(r'(?:href|src)="(/console/assets/[^"]+)"', shown.text)
        assert len(linked) == 4
        assert re.findall(r"https?://", shown.text) == []
        total = len(shown.body)
        found = assets.load()
        assert found is not None
        for asset in found.all():
            packed = await client.get(asset.path, **{"Accept-Encoding": "gzip"})
            total += len(asset.packed)
            plain = await client.get(asset.path, **{"Accept-Encoding": "identity"})
            assert packed.headers["content-encoding"] == "gzip"
            assert "content-encoding" not in plain.headers
            assert plain.body == packed.body == gzip.decompress(asset.packed)
            assert plain.headers["content-type"].startswith(asset.content_type)
            for answer in (packed, plain):
                assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
                assert answer.headers["vary"] == "Accept-Encoding"
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert int(answer.headers["content-length"]) > 0
        assert total < MAX_FIRST_VIEW_BYTES


def test_neither_the_typeface_nor_the_crown_is_served() -> None:
    found = assets.load()
    assert found is not None
    style = found.style.content.decode()
    assert "font-face" not in style
    assert "GDS Transport" not in style
    assert "url(" not in style
    assert style.count("system-ui") > 50
    script = found.frontend.content + found.script.content
    assert b"sourceMappingURL" not in script + found.style.content
    assert b"innerHTML" not in script  # which trusted types forbid
    assert found.frontend.path.encode() in found.script.content


def test_a_name_changes_with_what_it_names() -> None:
    found = assets.load()
    assert found is not None
    for asset in found.all():
        assert re.fullmatch(r"/console/assets/[a-z-]+\.[0-9a-f]{16}\.(css|js|svg)", asset.path)
    assert len({asset.path for asset in found.all()}) == 5


async def test_without_them_the_console_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "_FRONTEND", "node_modules/not-installed/")
    assets.load.cache_clear()
    try:
        async with stage(tmp_path / "instance") as staged:
            for path in ("/console", "/console/sign-in", "/console/x/y"):
                answer = await staged.client().get(path)
                assert answer.status == 503
                assert answer.headers["content-type"].startswith("text/plain")
                assert "npm ci --prefix gateway/console" in answer.text
    finally:
        assets.load.cache_clear()
