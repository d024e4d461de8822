"""The recipes of `docs/recipients/opening-alerts.md` open what is genuine, and only that.

That the page as a whole does what it says is shown with all others, in `test_blocks`.
"""

import shutil
from pathlib import Path

import pytest

from tests.docs.deliveries import delivered
from tests.docs.pages import ROOT, Block, blocks
from tests.docs.session import session
from tests.third_party import missing

PAGE = ROOT / "docs/recipients/opening-alerts.md"
LANGUAGES = ("sh", "python", "javascript")
RUN = [block for block in blocks(PAGE) if block.language in LANGUAGES and block.order == ""]
KIT = RUN[0]
TOOLS = (
    "throughgate open",
    "openssl cms",
    "standardwebhooks",
    "joserfc",
    "jwcrypto",
    "pyhpke",
    "compactDecrypt",
)


def recipe(word: str, also: str = "") -> Block:
    return next(block for block in RUN if word in block.text and also in block.text)


def needs(block: Block) -> None:
    if "openssl" in block.text and shutil.which("openssl") is None:
        missing("openssl")


@pytest.mark.parametrize("tool", TOOLS)
def test_there_is_a_recipe_with_each_tool(tool: str) -> None:
    assert recipe(tool)


def flipped_near_the_end(file: Path, back: int) -> None:
    """Change one character of base64 inside the file's last sealed part."""
    raw = bytearray(file.read_bytes())
    raw[-back] = ord("A") if raw[-back] != ord("A") else ord("B")
    file.write_bytes(bytes(raw))


@pytest.mark.parametrize(
    ("word", "also", "file"),
    [
        ("joserfc", "", "jwe.json"),
        ("jwcrypto", "", "jwe.json"),
        ("compactDecrypt", "", "jwe.json"),
        ("pyhpke", "", "x25519.json"),
        ("standardwebhooks", "", "hpke.json"),
        ("standardwebhooks", "batch", "batch.json"),
        ("openssl", "alert.eml", "alert.eml"),
        ("openssl", "cbc.eml", "cbc.eml"),
    ],
)
async def test_no_recipe_opens_what_was_altered(
    word: str, also: str, file: str, tmp_path: Path
) -> None:
    block = recipe(word, also)
    needs(block)
    async with delivered(tmp_path), session(tmp_path) as reader:
        await reader.do(KIT)
        await reader.do(block)
        flipped_near_the_end(tmp_path / file, 12 if file.endswith("json") else 40)
        with pytest.raises(AssertionError):
            await reader.do(block)


async def test_the_kit_opens_nothing_that_was_altered(tmp_path: Path) -> None:
    for file in ("hpke.json", "jwe.json", "alert.eml"):
        async with delivered(tmp_path), session(tmp_path) as reader:
            await reader.do(KIT)
            flipped_near_the_end(tmp_path / file, 12 if file.endswith("json") else 40)
            with pytest.raises(AssertionError):
                await reader.do(KIT)
