"""A core that LLVM does not know, or that lacks what kernels need, is told before LLVM sees it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgemnv2.errors import TargetError
from edgemnv2.target import Target, load_target, target_names


def _changed(name: str, **toolchain: object) -> Target:
    target = load_target(name)
    return replace(target, toolchain=replace(target.toolchain, **toolchain))


@pytest.mark.parametrize("name", target_names())
def test_the_cores_that_ship_have_what_they_say(name: str) -> None:
    load_target(name).tvm_target()


def test_an_unknown_core_is_told_with_the_nearest() -> None:
    target = _changed("rpi4", mcpu="cortex-a27")
    with pytest.raises(TargetError, match=r"rpi4: toolchain.mcpu: LLVM knows no core .*cortex-a"):
        target.tvm_target()


@pytest.mark.parametrize(
    ("name", "lost"), [("x86-64-v4-vnni", "avx512vbmi"), ("wasm", "simd128"), ("rv64gcv", "v")]
)
def test_a_feature_that_the_core_lacks_is_told(name: str, lost: str) -> None:
    target = _changed(name, mattr=())
    with pytest.raises(TargetError, match=f"cpu.features has '{lost}', but toolchain.mcpu"):
        target.tvm_target()


@pytest.mark.parametrize("name", [n for n in target_names() if load_target(n).cpu.isa == "aarch64"])
def test_code_ordered_for_the_model_uses_no_more_than_the_core_has(name: str) -> None:
    codegen = pytest.importorskip("tvm.target.codegen")
    tvm = pytest.importorskip("tvm")
    target = load_target(name)
    made = target.tvm_target()
    if target.cycles is not None:
        assert made.attrs["mcpu"] == target.cycles.core
    chain = target.toolchain
    own = tvm.target.Target(
        {"kind": "llvm", "mtriple": chain.triple, "mcpu": chain.mcpu, "mattr": list(chain.mattr)}
    )
    more = _features(codegen, made) - _features(codegen, own)
    assert more <= {"a55", "fuse-address", "neoversen1", "use-postra-scheduler"}


def _features(codegen: Any, target: Any) -> set[str]:
    return set(map(str, codegen.llvm_get_cpu_features(target)))


def test_an_unknown_model_of_the_core_is_told() -> None:
    target = load_target("rpi4")
    assert target.cycles is not None
    wrong = replace(target, cycles=replace(target.cycles, core="cortex-a27"))
    with pytest.raises(TargetError, match=r"rpi4: cycles.core: LLVM knows no core .*cortex-a"):
        wrong.tvm_target()
