"""Many small cases as one test: thousands of tests cost more in being counted than in being run."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

Test = Callable[..., None]


def every(
    names: str | Sequence[str], cases: Iterable[Any], *, ids: object = None
) -> Callable[[Test], Callable[[], None]]:
    """Run a test of every case in turn, as `pytest.mark.parametrize` would one by one.

    Args:
        names: Of the test's arguments.
        cases: A value each, or as many as there are names; or `pytest.param`.
        ids: Not needed: a case that fails is shown.
    """
    called = [one.strip() for one in names.split(",")] if isinstance(names, str) else list(names)
    found = list(cases)

    def wrap(test: Test) -> Callable[[], None]:
        def run() -> None:
            assert found, "no case at all"
            for number, case in enumerate(found):
                values = getattr(case, "values", None)
                if not isinstance(values, tuple):
                    values = (case,) if len(called) == 1 else tuple(case)
                try:
                    test(**dict(zip(called, values, strict=True)))
                except BaseException as error:
                    error.add_note(f"case {number} of {len(found)}: {getattr(case, 'id', values)}")
                    raise

        run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
        return run

    return wrap
