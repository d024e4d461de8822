"""Identifiers: published examples, check letters and digits, and one form to match by."""

from contextlib import suppress
from datetime import date

import nhs_number
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.model import identifiers
from gateway.model.identifiers import canonical, check_cro, check_nhs_number, check_pnc

TODAY = date(2026, 2, 1)
LETTERS = "ZABCDEFGHJKLMNPQRTUVWXY"
KINDS = ("noms", "crn", "pnc", "cro", "nhs_number")
CHECKS = {kind: getattr(identifiers, f"check_{kind}") for kind in KINDS}

GOOD = [
    ("noms", "A1234AA", "A1234AA"),
    ("noms", "G2996UX", "G2996UX"),
    ("noms", "A3695EA", "A3695EA"),
    ("crn", "X777978", "X777978"),
    ("crn", "XX777978", "XX777978"),
    ("pnc", "81/34U", "1981/0000034U"),
    ("pnc", "02/73319Z", "2002/0073319Z"),
    ("pnc", "00/223R", "2000/0000223R"),
    ("pnc", "79/163001B", "1979/0163001B"),
    ("pnc", "1979/163001B", "1979/0163001B"),
    ("pnc", "1979163001B", "1979/0163001B"),
    ("pnc", "033Y", "2003/0000003Y"),
    ("pnc", "67/9893091D", "1967/9893091D"),
    ("pnc", "2008/0545166T", "2008/0545166T"),
    ("pnc", "20080545166T", "2008/0545166T"),
    ("cro", "65656/91H", "065656/91H"),
    ("cro", "SF05/482703J", "SF05/482703J"),
    ("cro", "SF83/50058Z", "SF83/50058Z"),
    ("nhs_number", "9434765919", "9434765919"),
    ("nhs_number", "943 476 5919", "9434765919"),
    ("nhs_number", "943-476-5919", "9434765919"),
    ("nhs_number", "9000000009", "9000000009"),
    ("nhs_number", "9912003888", "9912003888"),
    ("nhs_number", "9413946000", "9413946000"),
]
BAD = [
    ("noms", "a1234aa"),
    ("noms", "A1234A"),
    ("noms", "A1234AA\n"),
    ("crn", "X00001"),
    ("crn", "D1974X"),
    ("crn", "XYZ777978"),
    ("pnc", "20030011985Z"),
    ("pnc", "20120052494O"),
    ("pnc", "20230583843N"),
    ("pnc", "2001/0171310S"),
    ("pnc", "1799/0163001B"),
    ("pnc", "79/0163001"),
    ("pnc", "79/01630011B"),
    ("cro", "85227/65G"),
    ("cro", "SF80/655108T"),
    ("cro", "SF83/050058Z"),
    ("cro", "65656-91H"),
    ("nhs_number", "9991234560"),
    ("nhs_number", "943476591"),
    ("nhs_number", "94347659190"),
    ("nhs_number", "943  476 5919"),
    ("nhs_number", "٩434765919"),
    *(("nhs_number", digit * 10) for digit in "0123456789"),
]


@pytest.mark.parametrize(("kind", "text", "form"), GOOD)
def test_a_published_identifier_passes_unchanged_and_has_one_form(
    kind: str, text: str, form: str
) -> None:
    assert CHECKS[kind](text) == text
    assert canonical(kind, text, today=TODAY) == form
    assert canonical(kind, f" {text.lower()} ", today=TODAY) == form
    assert canonical(kind, form, today=TODAY) == form


@pytest.mark.parametrize(("kind", "text"), BAD)
def test_what_fails_its_check_is_refused_without_being_quoted(kind: str, text: str) -> None:
    for refuse in (CHECKS[kind], lambda stated: canonical(kind, stated + "!", today=TODAY)):
        with pytest.raises(ValueError) as caught:
            refuse(text)
        assert text not in str(caught.value)


@given(
    kind=st.sampled_from(KINDS),
    text=st.text(max_size=20) | st.text("0123456789ACSFXZ/ -", min_size=4, max_size=12),
)
def test_arbitrary_text_passes_as_itself_or_is_a_value_error(kind: str, text: str) -> None:
    with suppress(ValueError):
        assert CHECKS[kind](text) == text
    with suppress(ValueError):
        form = canonical(kind, text, today=TODAY)
        assert canonical(kind, form, today=TODAY) == form


@pytest.mark.parametrize("kind", ["nhs_number_status", "visor_ref", "", "NOMS"])
def test_only_the_five_kinds_are_matched(kind: str) -> None:
    with pytest.raises(ValueError, match="not a kind"):
        canonical(kind, "A1234AA", today=TODAY)


@pytest.mark.parametrize("text", ["ſf83/50058z", "a1234aı", "Å1234AA"])
def test_a_letter_with_an_ascii_capital_elsewhere_is_no_letter_here(text: str) -> None:
    for kind in KINDS:
        with pytest.raises(ValueError):
            canonical(kind, text, today=TODAY)


# PNC


def pnc_letter(year: int, serial: int) -> str:
    return LETTERS[(year % 100 * 10_000_000 + serial) % 23]


years = st.integers(1900, 2099)
serials = st.integers(0, 9_999_999)


@given(year=years, serial=serials)
def test_every_way_to_write_a_pnc_id_has_the_same_canonical_form(year: int, serial: int) -> None:
    letter = pnc_letter(year, serial)
    form = f"{year}/{serial:07}{letter}"
    for text in (form, f"{year}/{serial}{letter}", f"{year}{serial:07}{letter}"):
        assert canonical("pnc", text, today=TODAY) == form


@given(year=years, serial=serials, today=st.dates(date(2000, 1, 1), date(2098, 12, 31)))
def test_a_two_digit_pnc_year_is_this_century_unless_still_to_come(
    year: int, serial: int, today: date
) -> None:
    text = f"{year % 100:02}/{serial}{pnc_letter(year, serial)}"
    form = canonical("pnc", text, today=today)
    read = int(form[:4])
    assert read % 100 == year % 100
    assert today.year - 100 < read <= today.year


def test_the_century_of_a_pnc_id_turns_with_the_day() -> None:
    text = f"26/1{pnc_letter(26, 1)}"
    assert canonical("pnc", text, today=date(2025, 12, 31)).startswith("1926/")
    assert canonical("pnc", text, today=date(2026, 1, 1)).startswith("2026/")


@given(year=years, serial=serials, place=st.integers(0, 6), digit=st.integers(1, 9))
def test_one_wrong_digit_in_a_pnc_serial_is_refused(
    year: int, serial: int, place: int, digit: int
) -> None:
    digits = f"{serial:07}"
    wrong = digits[:place] + str((int(digits[place]) + digit) % 10) + digits[place + 1 :]
    with pytest.raises(ValueError, match="check letter"):
        check_pnc(f"{year}/{wrong}{pnc_letter(year, serial)}")


@given(year=years, serial=serials)
def test_exactly_one_letter_completes_a_pnc_id(year: int, serial: int) -> None:
    passing = [
        letter
        for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        if _passes(check_pnc, f"{year}/{serial:07}{letter}")
    ]
    assert passing == [pnc_letter(year, serial)]


# CRO


@given(year=st.integers(0, 99), serial=st.integers(0, 999_999))
def test_a_standard_cro_number_is_padded_and_a_short_file_one_is_not(
    year: int, serial: int
) -> None:
    letter = LETTERS[(year * 1_000_000 + serial) % 23]
    padded = f"{serial:06}/{year:02}{letter}"
    assert canonical("cro", f"{serial}/{year:02}{letter}", today=TODAY) == padded
    assert canonical("cro", padded, today=TODAY) == padded
    short = f"SF{year:02}/{serial}{LETTERS[int(f'{year}{serial}') % 23]}"
    assert canonical("cro", short, today=TODAY) == short


@given(year=st.integers(0, 99), serial=st.integers(0, 999_999))
def test_exactly_one_letter_completes_a_cro_number(year: int, serial: int) -> None:
    passing = [
        letter
        for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        if _passes(check_cro, f"{serial:06}/{year:02}{letter}")
    ]
    assert passing == [LETTERS[(year * 1_000_000 + serial) % 23]]


# NHS numbers: the steps of the NHS Data Dictionary, as an oracle for the library in use.


def nhs_check_digit(nine: str) -> int:
    total = sum(int(digit) * (10 - place) for place, digit in enumerate(nine))
    return (11 - total % 11) % 11


nine_digits = st.integers(0, 999_999_999).map("{:09}".format)


@given(nine=nine_digits, last=st.integers(0, 9))
def test_an_nhs_number_passes_if_and_only_if_modulus_11_says_so(nine: str, last: int) -> None:
    text = f"{nine}{last}"
    expected = nhs_check_digit(nine) == last and len(set(text)) > 1
    assert _passes(check_nhs_number, text) == expected


@given(nine=nine_digits, place=st.integers(0, 9), step=st.integers(1, 9))
def test_one_wrong_digit_in_an_nhs_number_is_refused(nine: str, place: int, step: int) -> None:
    assume(nhs_check_digit(nine) != 10)
    text = f"{nine}{nhs_check_digit(nine)}"
    wrong = text[:place] + str((int(text[place]) + step) % 10) + text[place + 1 :]
    assert not _passes(check_nhs_number, wrong)


@given(nine=nine_digits, place=st.integers(0, 8))
def test_two_neighbouring_digits_changed_about_are_refused(nine: str, place: int) -> None:
    assume(nhs_check_digit(nine) != 10)
    text = f"{nine}{nhs_check_digit(nine)}"
    first, second = text[place], text[place + 1]
    assume(first != second)
    swapped = text[:place] + second + first + text[place + 2 :]
    assert not _passes(check_nhs_number, swapped)


@given(nine=st.integers(300_000_000, 311_299_999).map(str))
def test_an_english_number_in_the_scottish_range_need_not_be_a_date(nine: str) -> None:
    assume(nhs_check_digit(nine) != 10)
    check_nhs_number(f"{nine}{nhs_check_digit(nine)}")


@given(text=st.integers(0, 9_999_999_999).map("{:010}".format))
def test_what_the_library_calls_valid_is_taken_unless_a_repeated_digit(text: str) -> None:
    if nhs_number.is_valid(text) and len(set(text)) > 1:
        assert check_nhs_number(text) == text


def test_a_repeated_digit_passes_modulus_11_and_is_refused_all_the_same() -> None:
    for digit in "0123456789":
        assert nhs_check_digit(digit * 9) == int(digit)
        with pytest.raises(ValueError, match="repeated"):
            check_nhs_number(digit * 10)


def _passes(check: object, text: str) -> bool:
    try:
        return bool(check(text))  # type: ignore[operator]
    except ValueError:
        return False
