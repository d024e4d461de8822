"""Operators' log lines carry what is on the list, and nothing a library was handed."""

import io
import logging

from hypothesis import given
from hypothesis import strategies as st

from gateway.operator_log import FIELDS, _Nameless, allow_listed
from tests import canaries


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=8))
def test_only_listed_fields_pass(line: dict[str, str]) -> None:
    assert set(allow_listed(None, "info", dict(line))) == set(line) & FIELDS


def test_a_librarys_message_and_traceback_are_dropped() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Nameless())
    logger = logging.getLogger("some.library")
    logger.addHandler(handler)
    logger.propagate = False
    error = ValueError(canaries.NAME)
    logger.error("cannot read %s", canaries.NOMS, exc_info=error)
    logger.removeHandler(handler)
    assert "ValueError" in stream.getvalue()
    assert "some.library" in stream.getvalue()
    assert canaries.found_in(stream.getvalue()) == []
