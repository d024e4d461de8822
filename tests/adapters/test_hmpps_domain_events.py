"""The contract, for HMPPS domain events in and thin events out."""

from adapters.hmpps_domain_events import ADAPTER
from tests.adapters.samples import HMPPS_SAMPLES
from tests.contract.test_adapter import AdapterContract


class TestHmppsDomainEvents(AdapterContract):
    adapter = ADAPTER
    samples = tuple(HMPPS_SAMPLES.values())
