"""What TFLite files compute of quantised constants alone is stored as the file says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.errors import ModelError, UnsupportedOperator
from edgemnv2.frontend import load_model
from tests.networks.against import litert, random_samples, reference
from tests.networks.tflite_net import TfliteNet

SHAPE = (1, 4, 3, 2)
FIRST: dict[str, Any] = {"scale": 0.037, "zero_point": -9}
SECOND: dict[str, Any] = {"scale": 0.021, "zero_point": 14}
USES = ("real", "moved")
MOVES = ("CONCATENATION", "PACK", "SLICE", "RESHAPE", "TRANSPOSE", "PAD", "QUANTIZE", "TILE")


def _file(operator: str, use: str) -> bytes:
    """`x` and a constant that `operator` makes of quantised ones: added up, or put side by side."""
    random, net = np.random.default_rng(2), TfliteNet()
    x = net.tensor(SHAPE, "int8", **FIRST)

    def constant(*shape: int) -> int:
        return net.constant(random.integers(-128, 128, shape).astype(np.int8), **FIRST)

    def numbers(*values: Any) -> int:
        return net.constant(np.array(values, np.int32))

    ends = SECOND if operator == "QUANTIZE" else FIRST
    made = net.tensor(SHAPE, "int8", **ends)
    if operator == "CONCATENATION":
        parts = [constant(1, 4, 1, 2), constant(1, 4, 2, 2)]
        net.add(operator, parts, [made], "ConcatenationOptions", axis=2)
    elif operator == "PACK":
        parts = [constant(1, 4, 3), constant(1, 4, 3)]
        net.add(operator, parts, [made], "PackOptions", axis=3, values_count=2)
    elif operator == "SLICE":
        inputs = [constant(1, 6, 3, 3), numbers(0, 1, 0, 1), numbers(*SHAPE)]
        net.add(operator, inputs, [made], "SliceOptions")
    elif operator == "RESHAPE":
        net.add(operator, [constant(4, 6), numbers(*SHAPE)], [made], "ReshapeOptions")
    elif operator == "TRANSPOSE":
        inputs = [constant(1, 2, 3, 4), numbers(0, 3, 2, 1)]
        net.add(operator, inputs, [made], "TransposeOptions")
    elif operator == "PAD":
        inputs = [constant(1, 2, 2, 2), numbers((0, 0), (1, 1), (0, 1), (0, 0))]
        net.add(operator, inputs, [made], "PadOptions")
    elif operator == "TILE":
        net.add(operator, [constant(1, 2, 3, 2), numbers(1, 2, 1, 1)], [made])
    else:
        net.add(operator, [constant(*SHAPE)], [made], "QuantizeOptions")
    if use == "real":
        y = net.tensor(SHAPE, "int8", scale=0.05, zero_point=3)
        net.add("ADD", [x, made], [y], "AddOptions")
        return net.build([x], [y])
    y = net.tensor((1, 8, 3, 2), "int8", **ends)
    moved = x
    if ends is SECOND:
        moved = net.tensor(SHAPE, "int8", **SECOND)
        net.add("QUANTIZE", [x], [moved], "QuantizeOptions")
    net.add("CONCATENATION", [moved, made], [y], "ConcatenationOptions", axis=1)
    return net.build([x], [y])


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("operator", MOVES)
def test_it_is_litert_s(
    operator: str, use: str, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("ai_edge_litert")
    blob = _file(operator, use)
    samples = random_samples(SHAPE, "int8", 2, 0)
    (theirs,) = litert(blob, samples)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    np.testing.assert_array_equal(ours, theirs.reshape(ours.shape))


@pytest.mark.parametrize("operator", ["ADD", "SUB", "MUL"])
def test_arithmetic_of_them_alone_is_refused(operator: str, tmp_path: Path) -> None:
    """What integers make of it is another number than what floats do."""
    net = TfliteNet()
    x, made, y = (net.tensor(SHAPE, "int8", **FIRST) for _ in range(3))
    pair = [net.constant(np.full(SHAPE, value, np.int8), **FIRST) for value in (7, 9)]
    options = f"{operator.capitalize()}Options"
    net.add(operator, pair, [made], options)
    net.add("ADD", [x, made], [y], "AddOptions")
    path = tmp_path / "net.tflite"
    path.write_bytes(net.build([x], [y]))
    with pytest.raises(UnsupportedOperator, match=r"quantised constants alone .*fold constants"):
        load_model(path)


@pytest.mark.parametrize("scale", [np.inf, np.nan, -0.5])
def test_a_scale_that_is_no_number_is_refused(scale: float, tmp_path: Path) -> None:
    """AI Edge Quantizer gives an infinite one to the constant infinity of a logsumexp."""
    net = TfliteNet()
    x, y = net.tensor(SHAPE, "int8", **FIRST), net.tensor(SHAPE, "int8", **FIRST)
    net.add("MAXIMUM", [x, net.constant(np.array([127], np.int8), scale=scale)], [y])
    path = tmp_path / "net.tflite"
    path.write_bytes(net.build([x], [y]))
    with pytest.raises(ModelError, match=r"has scale .*must be a positive number"):
        load_model(path)
