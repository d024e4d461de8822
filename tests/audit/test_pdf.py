"""The PDF of a pack: tagged, titled, in English, the same each time, and nothing from elsewhere."""

import importlib
import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pypdf
import pytest

from gateway.audit import pack_pdf
from gateway.audit.agreement import agreement
from gateway.audit.answer import Answer, Column
from gateway.audit.lapsed import lapsed
from gateway.audit.pack import NoPdf, Noted, Pack, Proven, as_pdf, pack_of
from gateway.audit.subject_access import disclosures_of
from tests import canaries
from tests.audit.evidence import LAW, NOW, VERIFIER, desk
from tests.support.events import MARK

HOSTILE = "<img src='http://192.0.2.1/x.png'><script>1</script>"
ANSWER = Answer(
    question="told",
    title="What did the police learn?",
    asked={"recipient": "police"},
    reading=("Two alerts were sent.", HOSTILE),
    columns=(Column(name="at", title="When"), Column(name="n", title="Number", kind="count")),
    rows=tuple((f"row {number}", number) for number in range(60)),
    entries=(3,),
    size=9,
    checkpoint="",
    caveats=("Ask the sender first.",),
)
ENTRY = b'{"at":"2026-03-02T09:30:00.000Z","op":"security","v":1}'
PACK = Pack(
    answer=ANSWER,
    proven=(Proven(index=3, entry=ENTRY, proof="c2sp.org/tlog-proof@v1\nindex 3\n", holds=True),),
    checkpoints=(Noted(size=9, note="log.example.org/test\n9\n", witnessed=False),),
    keys=("log.example.org/test+00000000+AAAA",),
    witnesses=(),
    left_out=0,
    made_at=NOW,
)


@pytest.fixture(name="written", scope="module")
def written_pdf() -> bytes:
    return as_pdf(PACK)


def texts(content: bytes) -> str:
    pages = pypdf.PdfReader(io.BytesIO(content)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def test_it_is_tagged_titled_dated_and_in_english(written: bytes) -> None:
    reader = pypdf.PdfReader(io.BytesIO(written))
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"].value is True
    assert root["/Lang"] == "en-GB"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"].value is True
    assert reader.metadata is not None
    assert reader.metadata.title == ANSWER.title
    assert str(reader.metadata["/CreationDate"]) == "D:20260310120000Z"
    metadata = root["/Metadata"].get_object().get_data()
    assert b"pdfuaid" in metadata


def test_headings_lists_and_tables_are_what_they_look_like(written: bytes) -> None:
    reader = pypdf.PdfReader(io.BytesIO(written))
    found = list(_tags(reader.trailer["/Root"]["/StructTreeRoot"]))  # type: ignore[index]
    for tag in ("/H1", "/H2", "/H3", "/Table", "/TH", "/TD", "/TR", "/L", "/LI", "/P"):
        assert tag in found, tag
    assert found.count("/H1") == 1


def _tags(node: Any) -> Iterator[str]:
    node = node.get_object()
    if isinstance(node, dict):
        if "/S" in node:
            yield str(node["/S"])
        if "/K" in node:
            yield from _tags(node["/K"])
    elif isinstance(node, list):
        for one in node:
            yield from _tags(one)


def test_the_reading_comes_first_then_the_rows_then_how_to_check(written: bytes) -> None:
    text = texts(written)
    places = [
        text.index(one)
        for one in (
            "Two alerts were sent.",
            "Ask the sender first.",
            "row 0",
            "How to check this without trusting us",
            "log.example.org/test+00000000+AAAA",
            "c2sp.org/tlog-proof@v1",
        )
    ]
    assert places == sorted(places)
    assert "row 59" in text


def test_each_page_repeats_the_heads_of_its_table_and_says_which_it_is(written: bytes) -> None:
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(written)).pages]
    assert len(pages) > 1
    for number, page in enumerate(pages, 1):
        assert f"Page {number} of {len(pages)}" in page
        if "row " in page:
            assert "When Number" in page


def test_what_an_answer_says_is_text_and_fetches_nothing(written: bytes) -> None:
    assert HOSTILE in texts(written)
    with pytest.raises(ValueError, match="nothing outside itself"):
        pack_pdf._refuse("http://192.0.2.1/x.png")


def test_the_same_pack_is_the_same_bytes_in_another_process(written: bytes, tmp_path: Path) -> None:
    script = (
        "import sys; from tests.audit.test_pdf import PACK, as_pdf;"
        f"open({str(tmp_path / 'again.pdf')!r}, 'wb').write(as_pdf(PACK))"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True)
    assert (tmp_path / "again.pdf").read_bytes() == written
    later = as_pdf(replace(PACK, made_at=NOW.replace(hour=13)))
    assert later != written


def test_its_makers_log_lines_reach_nobody(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        as_pdf(replace(PACK, answer=replace(ANSWER, rows=(("\U0001f600 \u0e01", 1),))))
        logging.getLogger("weasyprint").error("quoting content")
        logging.getLogger("fontTools.subset").error("quoting content")
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (ModuleNotFoundError("No module named 'weasyprint'"), "throughgate[pdf]"),
        (OSError("cannot load library 'libpango-1.0-0'"), "libpango-1.0-0"),
    ],
    ids=["extra", "system-library"],
)
def test_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, said: str
) -> None:
    def absent(name: str) -> None:
        assert name == "weasyprint"
        raise raised

    monkeypatch.setattr(importlib, "import_module", absent)
    pack_pdf._weasyprint.cache_clear()
    with pytest.raises(NoPdf, match=said.replace("[", r"\[")):
        as_pdf(PACK)
    pack_pdf._weasyprint.cache_clear()


def test_more_rows_than_are_printed_are_counted() -> None:
    rows = tuple((f"row {number}", number) for number in range(pack_pdf.ROWS_PRINTED + 1))
    page = pack_pdf.html(replace(PACK, answer=replace(ANSWER, rows=rows)))
    assert "The first 500 of 501 rows are printed." in page
    assert "row 500" not in page


@pytest.mark.parametrize(
    ("columns", "layout"), [(2, "upright"), (8, "wide"), (12, "upright")], ids=str
)
def test_the_page_turns_for_more_columns(columns: int, layout: str) -> None:
    wide = replace(
        ANSWER,
        columns=tuple(Column(name=f"c{n}", title=f"Column {n}") for n in range(columns)),
        rows=(tuple(f"cell {n}" for n in range(columns)),),
    )
    page = pack_pdf.html(replace(PACK, answer=wide))
    assert f'<body class="{layout}">' in page
    assert ("Row 1 of 1" in page) is (columns == 12)


async def test_a_letter_says_nothing_of_the_log_and_no_pdf_a_fact(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        await at.told(event, "police", agreement="ISA-GONE")
        sent = await at.ask(lambda asking: disclosures_of(asking, event.person, sar=True))
        kept = await at.ask(lapsed)
        letter = pack_of(sent, at.store.reader, [VERIFIER], now=NOW)
        pack = pack_of(kept, at.store.reader, [VERIFIER], now=NOW)
    written = texts(as_pdf(letter))
    assert "Exampleshire Police" in written
    assert "neither confirms nor denies" in written
    for hidden in ("How to check", "log.example.org", "entries looked at"):
        assert hidden not in written
    proven = texts(as_pdf(pack))
    assert "ISA-GONE" in proven
    assert str(VERIFIER)[:40] in proven.replace(" ", "") or "log.example.org" in proven
    for text in (written, proven):
        assert MARK not in text
        assert canaries.found_in(text) == []


def test_a_schedule_is_a_page_to_sign() -> None:
    found = agreement(
        LAW.rulebook, today=date(2026, 3, 2), sender="prison", role="immigration_enforcement"
    )
    pack = replace(PACK, answer=found, proven=(), checkpoints=())
    text = texts(as_pdf(pack))
    assert "Signed for the sender:" in text
    assert "Home Office immigration enforcement" in text
    assert LAW.rulebook.digest[:20] in text
