"""What a webhook endpoint may say of posts that hold several alerts."""

from typing import Any

import pytest

from gateway.batch_terms import DEFAULT_BYTES, batch_terms
from gateway.model.party import Endpoint
from tests.gateway.delivering import endpoint_of
from tests.gateway.test_deliver_order import ENDPOINT


def test_nobody_is_sent_several_unless_they_say_so() -> None:
    endpoint: Endpoint = endpoint_of(ENDPOINT)
    assert batch_terms("webhook", {}) == (1, DEFAULT_BYTES)
    assert batch_terms("email", {}) == (endpoint.batches, endpoint.batch_bytes)


@pytest.mark.parametrize(
    ("item", "terms"),
    [
        ({"batches": 500}, (500, DEFAULT_BYTES)),
        ({"batches": "200", "batch_bytes": "4000000"}, (200, 4_000_000)),  # as CSV has it
    ],
)
def test_what_is_said_is_kept(item: dict[str, Any], terms: tuple[int, int]) -> None:
    assert batch_terms("webhook", item) == terms


@pytest.mark.parametrize(
    "item",
    [
        {"batches": 0},
        {"batches": 501},
        {"batches": -1},
        {"batches": "many"},
        {"batches": 2.5},
        {"batches": True},
        {"batch_bytes": 99_999},
        {"batch_bytes": 4_000_001},
    ],
)
def test_what_is_out_of_range_is_refused(item: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(item))):
        batch_terms("webhook", item)


@pytest.mark.parametrize("channel", ["email", "sms", "mesh"])
def test_nothing_but_a_webhook_takes_several(channel: Any) -> None:
    with pytest.raises(ValueError, match="webhook"):
        batch_terms(channel, {"batches": 2})
