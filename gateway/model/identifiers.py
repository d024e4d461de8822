"""Identifiers of a person in each agency's system: check, and the one form used for matching.

A check takes the forms agencies write and returns the text unchanged; its errors never quote it.
Source: identifier rules of the domain (section 5), hmpps-person-record for PNC and CRO, NHS Data
Dictionary for NHS numbers.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

from nhs_number.validate import calculate_checksum

# As published in the schemas: the form only, since no pattern can say a check letter.
NOMS_PATTERN: Final = r"^[A-Z][0-9]{4}[A-Z]{2}$"
CRN_PATTERN: Final = r"^[A-Z]{1,2}[0-9]{6}$"
PNC_PATTERN: Final = r"^([0-9]{2}|[0-9]{4})/?[0-9]{1,7}[A-Z]$"
CRO_PATTERN: Final = r"^([0-9]{1,6}/[0-9]{2}|SF[0-9]{2}/[0-9]{1,6})[A-Z]$"
NHS_NUMBER_PATTERN: Final = r"^[0-9]{3}[ \-]?[0-9]{3}[ \-]?[0-9]{4}$"

# PNC and CRO check letters: I, O and S are never used, being too like 1, 0 and 5.
_CHECK_LETTERS: Final = "ZABCDEFGHJKLMNPQRTUVWXY"

_NOMS = re.compile(NOMS_PATTERN)
_CRN = re.compile(CRN_PATTERN)
_PNC_SLASHED = re.compile(r"([0-9]{2}|[0-9]{4})/([0-9]{1,7})([A-Z])")
# Without the slash, three to nine digits are a two-digit year first; ten or eleven can only be a
# four-digit one.
_PNC_SHORT = re.compile(r"([0-9]{2})([0-9]{1,7})([A-Z])")
_PNC_LONG = re.compile(r"([0-9]{4})([0-9]{6,7})([A-Z])")
_CRO_STANDARD = re.compile(r"([0-9]{1,6})/([0-9]{2})([A-Z])")
_CRO_SHORT_FILE = re.compile(r"SF([0-9]{2})/([0-9]{1,6})([A-Z])")
_NHS_NUMBER = re.compile(NHS_NUMBER_PATTERN)


def check_noms(text: str) -> str:
    """Return a prison number unchanged. It has no check digit.

    Raises:
        ValueError: not a capital, four digits and two capitals.
    """
    if not _NOMS.fullmatch(text):
        raise ValueError("must be a prison number: a capital, four digits, two capitals")
    return text


def check_crn(text: str) -> str:
    """Return a probation case reference number unchanged. It has no check digit.

    Raises:
        ValueError: not one or two capitals and six digits.
    """
    if not _CRN.fullmatch(text):
        raise ValueError("must be a case reference number: one or two capitals, six digits")
    return text


def check_pnc(text: str) -> str:
    """Return a Police National Computer id unchanged: year of two or four digits, slash or none,
    serial of one to seven digits, check letter.

    Raises:
        ValueError: another form, a year before 1900 or past 2099, or the check letter is wrong.
    """
    year, serial, letter = _pnc_parts(text)
    if letter != _check_letter(year[-2:] + serial):
        raise ValueError("check letter of this PNC id does not match")
    return text


def check_cro(text: str) -> str:
    """Return a Criminal Records Office number unchanged: ``serial/YYx`` or ``SFYY/serialx``.

    Raises:
        ValueError: another form, or the check letter is wrong.
    """
    if standard := _CRO_STANDARD.fullmatch(text):
        serial, year, letter = standard.groups()
        serial = serial.zfill(6)
    elif short := _CRO_SHORT_FILE.fullmatch(text):
        year, serial, letter = short.groups()  # short-file letters are over the serial as stated
    else:
        raise ValueError("must be a CRO number: serial/YY or SFYY/serial, then a check letter")
    if letter != _check_letter(year + serial):
        raise ValueError("check letter of this CRO number does not match")
    return text


def check_nhs_number(text: str) -> str:
    """Return an NHS number unchanged: ten digits, or 3-3-4 with spaces or hyphens.

    Raises:
        ValueError: another form, a wrong check digit, or one digit ten times (which passes modulus
            11 and is what is typed to get past a form).
    """
    if not _NHS_NUMBER.fullmatch(text):
        raise ValueError("must be an NHS number: ten digits")
    digits = _nhs_digits(text)
    if len(set(digits)) == 1:
        raise ValueError("one digit repeated is no NHS number")
    # Not the library's is_valid: it takes 300-311 million for Scottish numbers and refuses those
    # that are no date of birth, but England issues numbers there too.
    if calculate_checksum(digits[:-1]) != int(digits[-1]):
        raise ValueError("check digit of this NHS number does not match")
    return text


def is_placeholder(text: str) -> bool:
    """Say whether this is one digit ten times: typed to get past a form, and nobody's number."""
    return bool(_NHS_NUMBER.fullmatch(text)) and len(set(_nhs_digits(text))) == 1


def check_nhs_number_or_placeholder(text: str) -> str:
    """Return an NHS number, or a placeholder for one, unchanged: for what a system sends.

    A placeholder names nobody, but the event it comes in may still be about someone known: it is
    neither matched nor kept, and must not cost the event.

    Raises:
        ValueError: as `check_nhs_number`, but for one digit ten times.
    """
    return text if is_placeholder(text) else check_nhs_number(text)


def canonical(kind: str, text: str, *, today: date) -> str:
    """Return the one form in which an identifier is matched; idempotent.

    Args:
        kind: ``noms``, ``crn``, ``pnc``, ``cro`` or ``nhs_number``.
        text: As stated by an agency or typed by a person; case and outer spaces do not matter.
        today: Gives a two-digit PNC year its century: 20YY unless that is still to come.

    Returns:
        PNC ``YYYY/NNNNNNNx``, CRO ``NNNNNN/YYx`` or ``SFYY/Nx``, NHS number ten digits.

    Raises:
        ValueError: no such kind, or the text fails its check.

    Pure.
    """
    if kind not in _CHECKS:
        raise ValueError("not a kind of identifier people are matched by")
    if not text.isascii():  # before upper(): some letters elsewhere have an ASCII capital
        raise ValueError("identifiers are plain letters and digits")
    stated = _CHECKS[kind](text.strip().upper())
    if kind == "pnc":
        return _canonical_pnc(stated, today)
    if kind == "cro" and not stated.startswith("SF"):
        return stated.zfill(len("NNNNNN/YYx"))
    if kind == "nhs_number":
        return _nhs_digits(stated)
    return stated


def _canonical_pnc(text: str, today: date) -> str:
    year, serial, letter = _pnc_parts(text)
    if len(year) == 2:
        year = f"{20 if int(year) <= today.year % 100 else 19}{year}"
    return f"{year}/{serial}{letter}"


def _pnc_parts(text: str) -> tuple[str, str, str]:
    """Return year of two or four digits, serial padded to seven, check letter."""
    # Read by the slash: judging by length alone takes 1979/163001B for year 19.
    for form in (_PNC_SLASHED, _PNC_SHORT, _PNC_LONG):
        if match := form.fullmatch(text):
            year, serial, letter = match.groups()
            if len(year) == 4 and year[:2] not in {"19", "20"}:
                raise ValueError("year of this PNC id is not of this century or the last")
            return year, serial.zfill(7), letter
    raise ValueError("must be a PNC id: year, serial of up to seven digits, check letter")


def _check_letter(digits: str) -> str:
    return _CHECK_LETTERS[int(digits) % len(_CHECK_LETTERS)]


def _nhs_digits(text: str) -> str:
    return text.replace(" ", "").replace("-", "")


_CHECKS: Final[Mapping[str, Callable[[str], str]]] = {
    "noms": check_noms,
    "crn": check_crn,
    "pnc": check_pnc,
    "cro": check_cro,
    "nhs_number": check_nhs_number,
}
