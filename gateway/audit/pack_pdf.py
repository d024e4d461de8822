"""A pack as a tagged PDF (PDF/UA-1), for courts and letters. The same pack, the same bytes.

Loads nothing from disk but the two files beside it, and nothing from a network.
"""

import hashlib
import importlib
import logging
from functools import cache
from importlib.resources import files
from types import ModuleType
from typing import Final, NoReturn

import jinja2

from gateway.audit.pack import NoPdf, Pack, shown
from gateway.audit.pack_zip import standing
from gateway.disclosure_log.operation import timestamp
from gateway.pages.words import moment

ROWS_PRINTED: Final = 500  # a page takes a fifth of a second to lay out
RECORDS_PRINTED: Final = 100
PROOFS_PRINTED: Final = 25

_UPRIGHT: Final = 6  # columns that fit an upright page
_ACROSS: Final = 10  # and one that lies; with more, each row is a small table of its own
_LIBRARIES: Final = ("weasyprint", "fontTools")
_TEMPLATES: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("gateway.audit"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(pack: Pack) -> bytes:
    """Return the PDF.

    Raises:
        NoPdf: weasyprint, or the system library it needs, is not here.
    """
    weasyprint = _weasyprint()
    page = html(pack)
    document = weasyprint.HTML(string=page, url_fetcher=_refuse)
    style = weasyprint.CSS(string=_style(), url_fetcher=_refuse)
    written: bytes = document.write_pdf(
        stylesheets=[style],
        pdf_variant="pdf/ua-1",
        pdf_identifier=hashlib.sha256(page.encode()).digest()[:16],
    )
    return written


def html(pack: Pack) -> str:
    """Return what the PDF is laid out from. Pure."""
    answer = pack.answer
    made = timestamp(pack.made_at)
    proves = bool(pack.checkpoints)
    looked = [("entries looked at", str(answer.size))] if proves else []
    columns = len(answer.columns)
    records = columns > _ACROSS
    most = RECORDS_PRINTED if records else ROWS_PRINTED
    return _TEMPLATES.get_template("pack.html").render(
        answer=answer,
        pack=pack,
        asked=[*sorted(answer.asked.items()), *looked, ("made", f"{moment(made)} ({made})")],
        made=made.partition(".")[0] + "Z",
        proves=proves,
        layout="wide" if _UPRIGHT < columns <= _ACROSS else "upright",
        records=records,
        rows=[[shown(cell) for cell in row] for row in answer.rows[:most]],
        printed=pack.proven[:PROOFS_PRINTED],
        standing=standing(pack).splitlines(),
    )


@cache
def _style() -> str:
    return (files("gateway.audit") / "templates" / "pack.css").read_text("utf-8")


def _refuse(_url: str, *_others: object, **_named: object) -> NoReturn:
    raise ValueError("a pack refers to nothing outside itself")


@cache
def _weasyprint() -> ModuleType:
    """Import what makes PDFs, and keep its log lines, which may quote what it lays out, to itself.

    Raises:
        NoPdf: it is not here.
    """
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # and all below it
    try:
        return importlib.import_module("weasyprint")
    except ModuleNotFoundError as error:
        raise NoPdf(
            'PDFs need WeasyPrint: pip install "throughgate[pdf]". CSV and ZIP need nothing more.'
        ) from error
    except OSError as error:  # it is there, and the system library it opens is not
        raise NoPdf(
            "PDFs need the Pango library: install the package libpango-1.0-0 (Debian) or pango."
            " CSV and ZIP need nothing more."
        ) from error
