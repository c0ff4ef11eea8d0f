"""The table says what is an estimate, and its errors are those of its figures."""

from __future__ import annotations

from typing import Any

import pytest

from edgemnv2.errors import UsageError
from edgemnv2.lab import cycle_results
from edgemnv2.lab.cycle_results import BARE_PEERS, PUBLISHED, RUNS, cycles_table
from edgemnv2.target import load_target


def figure(millions: float) -> dict[str, Any]:
    cycles = millions * 1e6
    parts = {"pipeline": 0.75 * cycles, "memory": 0.25 * cycles, "bound": 0.5 * cycles}
    return {"cycles": cycles, **parts, "instructions": 1, "limit": "memory"}


def row(target: str, network: str, dtype: str, **peers: float) -> dict[str, Any]:
    return {
        "network": network,
        "dtype": dtype,
        "target": target,
        "core": load_target(target).cpu.core,
        "model": f"{load_target(target).cycles.core} in LLVM 22.1.8",  # type: ignore[union-attr]
        "arena_bytes": 2048,
        "flash_bytes": 4096,
        "against": {name: figure(value) for name, value in peers.items()},
        **figure(80.0),
    }


def test_ours_and_theirs_stand_beside_each_other_in_parts() -> None:
    lines = cycles_table([row("rpi4", "1.0-224", "float32", ncnn=160.0)])
    assert lines[0].startswith("Estimates, M cycles, LLVM 22.1.8")
    (line,) = [line for line in lines if line.startswith("| 1.0/224 float32 | rpi4")]
    assert "**80.0** = 60.0 + 20.0 (40.0) | memory | ncnn 120.0 + 40.0 **0.50**" in line
    assert line.endswith("| 2.0, 4 KiB |")


def test_the_error_is_the_models_figure_against_the_published_time() -> None:
    lines = cycles_table([row("rpi4", "1.0-224", "float32", ncnn=167.4 * 1.1)])
    (line,) = [line for line in lines if line.startswith("| ncnn 1.0/224 | rpi4")]
    assert line.endswith("| 184.1 | +10% |")
    # The same engine on another board, which these rows did not run.
    assert sum("not run" in line for line in lines) == 1
    lines = cycles_table([row("mps2-an500", "0.35-96", "int8")])
    (line,) = [line for line in lines if line.startswith("| TinyEngine")]
    assert line.endswith("| 66.9 | +22% |")
    assert sum("not modelled" in line for line in lines) == 2


def test_published_times_are_those_of_the_rows_kind_of_core() -> None:
    for target, named, left_out in (
        ("rpi4", "ncnn", "X-CUBE-AI"),
        ("mps2-an500", "X-CUBE-AI", "ncnn"),
    ):
        text = "\n".join(cycles_table([row(target, "1.0-224", "int8")]))
        assert f"| {named} " in text and f"| {left_out} " not in text


def test_libraries_for_microcontrollers_are_named_beside_int8_only() -> None:
    (peers,) = [v for k, v in BARE_PEERS.items() if k == ("0.35-96", "cortex-m7")]
    for dtype, named in (("int8", True), ("float32", False)):
        text = "\n".join(cycles_table([row("mps2-an500", "0.35-96", dtype)])[:6])
        assert all((name in text) == named for name in peers)


@pytest.mark.parametrize("target", sorted({target for target, *_ in RUNS}))
def test_every_run_is_of_a_core_that_has_a_model(target: str) -> None:
    assert load_target(target).cycles is not None


def test_published_times_are_cycles_of_their_clock() -> None:
    for engine, _, _, cycles, source in PUBLISHED:
        words = source.split()
        if words[1:3] != ["ms", "at"]:
            assert engine == "TinyEngine"
            continue
        hertz = float(words[3]) * {"GHz,": 1e9, "MHz,": 1e6}[words[4]]
        assert cycles == pytest.approx(float(words[0]) * 1e-3 * hertz / 1e6, rel=1e-3)


@pytest.mark.slow(ci=True)
def test_one_row_is_one_artefact(monkeypatch: pytest.MonkeyPatch) -> None:
    class Estimate:
        def to_dict(self) -> dict[str, Any]:
            return {"target": "mps2-an500", "model": "x", "layers": [], "against": {}} | figure(1.0)

    monkeypatch.setattr(cycle_results, "RUNS", (("mps2-an500", "0.35-32-int8", None, ("ncnn",)),))
    monkeypatch.setattr(cycle_results, "estimate_cycles", lambda artifact, peers: Estimate())
    (made,) = cycle_results.measure_cycles(True, lambda text: None)
    assert (made["network"], made["dtype"], made["core"]) == ("0.35-32", "int8", "cortex-m7")
    assert made["flash_bytes"] > made["arena_bytes"] > 0 and "layers" not in made
    # Another run keeps what engines took, if it was the same network, target and model.
    made["against"] = {"ncnn": figure(2.0)}
    (again,) = cycle_results.measure_cycles(True, lambda text: None, measured=[made])
    assert again == made
    with pytest.raises(UsageError, match="no engine was measured with x"):
        cycle_results.measure_cycles(True, lambda text: None, measured=[made | {"model": "y"}])
