"""The contract every agency format keeps, for the tests of whoever writes one.

Needs pytest and hypothesis, which a gateway itself does not: only tests import this.
"""

import pytest

pytest.register_assert_rewrite("gateway.testing.adapter_contract", "gateway.testing.statements")
