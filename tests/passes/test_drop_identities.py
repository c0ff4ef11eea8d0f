"""What restores what was taken apart disappears; anything that changes a value stays."""

from __future__ import annotations

from typing import Any

import pytest

from edgemnv2.ops.flow import Flow
from edgemnv2.passes.drop_identities import drop_identities
from tests.passes.flows import flow_of, node, ops, quantised

SHAPES = dict.fromkeys(("x", "a", "b", "y"), (1, 2, 2, 3))


def sandwich(scale: float = 0.5, zero: int = 3, dtype: str = "int8", **more: Any) -> Flow:
    apart = quantised("dequantize", "x", "a", 0.5, 3)
    again = quantised("quantize", "a", "b", scale, zero, dtype).with_attrs(**more)
    nodes = [apart, again, node("relu", "b", to="y")]
    return flow_of(nodes, SHAPES, ("y",), {"x": "int8", "b": dtype, "y": dtype})


def test_quantise_behind_dequantise_of_equal_parameters_is_nothing() -> None:
    flow = drop_identities(sandwich())
    # The dequantise node is left for others that may read it.
    assert ops(flow) == ["dequantize", "relu"]
    assert flow.nodes[-1].tensors == ("x",)


@pytest.mark.parametrize(
    "other", [{"scale": 0.25}, {"zero": 4}, {"dtype": "uint8"}, {"clamp": (0, 127)}], ids=str
)
def test_other_parameters_or_a_clamp_keep_it(other: dict[str, Any]) -> None:
    assert ops(drop_identities(sandwich(**other))) == ["dequantize", "quantize", "relu"]


def test_a_clamp_to_all_that_the_type_holds_is_none() -> None:
    assert ops(drop_identities(sandwich(clamp=(-128, 127)))) == ["dequantize", "relu"]


@pytest.mark.parametrize(("dtype", "left"), [("float32", []), ("float16", ["astype"])])
def test_a_cast_to_its_own_type_is_nothing(dtype: str, left: list[str]) -> None:
    flow = flow_of([node("astype", "x", to="y", dtype=dtype)], SHAPES, ("y",))
    found = drop_identities(flow)
    assert ops(found) == left
    assert found.outputs == (("x",) if not left else ("y",))
