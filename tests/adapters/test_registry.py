"""Installed adapters are found by entry point, and one that is not what it says is named."""

from pathlib import Path

import pytest

from adapters.hmpps_domain_events import ADAPTER
from adapters.registry import UnusableAdapter, find_adapters


def install(folder: Path, package: str, name: str, module: str) -> None:
    """Lay out a package as an installer would: a module, and metadata that names it."""
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        f"[throughgate.adapters]\n{name} = {package}:ADAPTER\n"
    )
    (folder / f"{package}.py").write_text(module)


WORKING = """
from adapters.contract import Adapter, Inbound, Translation
ADAPTER = Adapter(
    name="{name}",
    title="Lines",
    inbound=Inbound(
        media_types=("text/plain",), translate=lambda body, source: Translation(events=())
    ),
)
"""


def test_the_adapter_of_this_project_is_found_under_its_name() -> None:
    found = find_adapters()
    assert found["hmpps_domain_events"] is ADAPTER
    assert list(found) == sorted(found)


def test_an_adapter_another_package_installs_is_found_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "agency_lines_a", "agency_lines", WORKING.format(name="agency_lines"))
    monkeypatch.syspath_prepend(tmp_path)
    assert {"agency_lines", "hmpps_domain_events"} <= set(find_adapters())


@pytest.mark.parametrize(
    ("package", "name", "module", "fault"),
    [
        ("agency_lines_b", "agency_lines", WORKING.format(name="other"), "another name"),
        (
            "agency_lines_c",
            "agency_lines",
            "ADAPTER = object()",
            "not an adapters.contract.Adapter",
        ),
        (
            "agency_lines_d",
            "hmpps_domain_events",
            WORKING.format(name="hmpps_domain_events"),
            "two installed",
        ),
    ],
)
def test_an_adapter_that_is_not_what_it_says_is_refused_by_name(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    name: str,
    module: str,
    fault: str,
) -> None:
    install(tmp_path, package, name, module)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UnusableAdapter, match=fault) as caught:
        find_adapters()
    assert name in str(caught.value)
