"""What every test shares: hypothesis settings, and the search for canaries after each."""

from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests import canaries

settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("default")


# Folders whose files run real processes, and take longest: begun first, none is left to run alone.
_LONG = ("faults", "browser", "docs", "feeds", "cli", "mesh")


@pytest.hookimpl(trylast=True)  # after the order was shuffled, which stays so within each part
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.parent.name not in _LONG)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that let a canary show in output, logs, errors or an instance's files."""
    report = yield
    shown = canaries.found_in(report.capstdout + report.capstderr + report.caplog)
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if call.when == "call" and folder is not None:
        shown += list(canaries.leaks(folder))
    if shown:
        report.outcome = "failed"
        report.longrepr = f"personal data in plain sight: {', '.join(sorted(set(shown)))}"
    return report
