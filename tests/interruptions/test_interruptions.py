"""A verb that is stopped leaves the old or the new, whole, and the next run works.

`python -m tests.interruptions` tries 50 moments of every verb; here are a few.
"""

from __future__ import annotations

import os
import shutil

import pytest

from tests.interruptions.__main__ import main
from tests.interruptions.stopping import FAULTS, Stand
from tests.interruptions.verbs import VERBS


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    for tool in ("gcc", "arm-none-eabi-gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    if os.uname().sysname != "Linux":
        pytest.skip("files go wrong by LD_PRELOAD")
    return Stand(tmp_path_factory.mktemp("stand"))


# The others take as long as the first.
COMPILE_FAULTS = [
    FAULTS[0],
    *(pytest.param(fault, marks=pytest.mark.slow(ci=True)) for fault in FAULTS[1:]),
]


@pytest.mark.parametrize("fault", COMPILE_FAULTS)
def test_compile_in_the_middle(fault: str, stand: Stand) -> None:
    assert stand.fault_of("compile", fault, stand.operations("compile") // 2) == ""


@pytest.mark.parametrize("verb", ["bundle", "report"])
def test_the_last_operation_on_a_full_disk(verb: str, stand: Stand) -> None:
    """The one that puts it in place."""
    assert stand.fault_of(verb, "full", stand.operations(verb)) == ""


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_eight_moments_of_every_verb(verb: str) -> None:
    assert main(["--moments", "8", "--verb", verb]) == 0


def test_what_is_half_there_is_told(stand: Stand) -> None:
    """A verb that writes in place leaves half a page: the check that cannot fail would miss it."""
    page = VERBS["report"]
    assert page.whole(stand.base) == ""
    (stand.base / "out.html").write_text("<!doctype html><p>half")
    assert "letters of a page" in page.whole(stand.base)
    (stand.base / "out.html").unlink()
