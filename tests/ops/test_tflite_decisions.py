"""What TFLite files decide with: sums along an axis, classes as vectors, any and all, look-ups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.networks.against import litert, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.tflite_net import TfliteNet

SHAPE = (1, 3, 5, 4)


def _numbers(net: TfliteNet, *values: Any) -> int:
    return net.constant(np.array(values, np.int32))


def _classes(net: TfliteNet, x: int, axis: int) -> tuple[int, tuple[int, ...]]:
    """The best class along an axis; its shape."""
    shape = tuple(extent for i, extent in enumerate(SHAPE) if i != axis)
    made = net.tensor(shape, "int32")
    net.add("ARG_MAX", [x, _numbers(net, axis)], [made], "ArgMaxOptions", output_type=2)
    return made, shape


def _running(axis: int, exclusive: bool, reverse: bool, dtype: str) -> bytes:
    net = TfliteNet()
    x, y = net.tensor(SHAPE), net.tensor(SHAPE, dtype)
    source = x
    if dtype != "float32":
        source = net.tensor(SHAPE, dtype)
        net.add("CAST", [x], [source], "CastOptions")
    along = net.constant(np.array(axis, np.int32))
    fields = {"exclusive": exclusive, "reverse": reverse}
    net.add("CUMSUM", [source, along], [y], "CumsumOptions", **fields)
    return net.build([x], [y])


def _one_hot(axis: int, dtype: str) -> bytes:
    net = TfliteNet()
    x = net.tensor(SHAPE)
    classes, shape = _classes(net, x, 3)
    made = [*shape]
    made.insert(len(made) if axis < 0 else axis, 4)
    ends: dict[str, Any] = {"scale": 1 / 256, "zero_point": -128} if dtype == "int8" else {}
    y = net.tensor(made, dtype, **ends)
    values = [net.constant(np.array(v, dtype), **ends) for v in (7, 2)]
    if dtype == "int8":
        # As the converter writes them: of a scale of their own.
        values[1] = net.constant(np.array(-3, dtype), scale=0.5)
    inputs = [classes, net.constant(np.array(4, np.int32)), *values]
    net.add("ONE_HOT", inputs, [y], "OneHotOptions", axis=axis)
    return net.build([x], [y])


def _every(operator: str, axes: tuple[int, ...], keep: bool) -> bytes:
    net = TfliteNet()
    x, truth = net.tensor(SHAPE), net.tensor(SHAPE, "bool")
    net.add("GREATER", [x, net.constant(np.float32(0.3))], [truth], "GreaterOptions")
    shape = [1 if i in axes else e for i, e in enumerate(SHAPE) if keep or i not in axes]
    made, y = net.tensor(shape, "bool"), net.tensor(shape)
    net.add(operator, [truth, _numbers(net, *axes)], [made], "ReducerOptions", keep_dims=keep)
    net.add("CAST", [made], [y], "CastOptions")
    return net.build([x], [y])


def _looked_up(kind: str, axis: int) -> bytes:
    """The best class of each place; then `kind` of table at it."""
    net, random = TfliteNet(), np.random.default_rng(4)
    quantised: dict[str, Any] = {"dtype": "int8", "scale": 0.04, "zero_point": -3}
    net_input = net.tensor(SHAPE, **(quantised if kind == "int8" else {}))
    extent = SHAPE[axis]
    best, shape = _classes(net, net_input, axis)
    if kind == "labels":
        table = net.constant(random.integers(-9, 999, extent).astype(np.int32))
        y = net.tensor(shape, "int32")
        net.add("GATHER", [table, best], [y], "GatherOptions", axis=0)
        return net.build([net_input], [y])
    few = net.tensor((2,), "int32")
    row = net.tensor((int(np.prod(shape)),), "int32")
    net.add("RESHAPE", [best, _numbers(net, -1)], [row], "ReshapeOptions")
    net.add("SLICE", [row, _numbers(net, 0), _numbers(net, 2)], [few], "SliceOptions")
    wanted = [*SHAPE]
    wanted[axis] = 2
    y = net.tensor(wanted, **(quantised if kind == "int8" else {}))
    net.add("GATHER", [net_input, few], [y], "GatherOptions", axis=axis)
    return net.build([net_input], [y])


def _places(axes: int) -> bytes:
    """GATHER_ND at two places whose first index is 0."""
    net = TfliteNet()
    x, (best, _) = net.tensor(SHAPE), (0, 0)
    best, shape = _classes(net, x, 1)
    row, few = net.tensor((int(np.prod(shape)), 1), "int32"), net.tensor((2, 1), "int32")
    net.add("RESHAPE", [best, _numbers(net, -1, 1)], [row], "ReshapeOptions")
    net.add("SLICE", [row, _numbers(net, 0, 0), _numbers(net, 2, 1)], [few], "SliceOptions")
    parts = [net.constant(np.zeros((2, 1), np.int32)), few]
    parts += [net.constant(np.array([[2], [3]], np.int32)) for _ in range(axes - 2)]
    indices = net.tensor((2, axes), "int32")
    net.add("CONCATENATION", parts, [indices], "ConcatenationOptions", axis=1)
    y = net.tensor((2, *SHAPE[axes:]))
    net.add("GATHER_ND", [x, indices], [y], "GatherNdOptions")
    return net.build([x], [y])


CASES = {
    **{
        f"CUMSUM {axis} {exclusive} {reverse} {dtype}": (
            _running,
            (axis, exclusive, reverse, dtype),
        )
        for axis in (0, 1, 2, 3, -1)
        for exclusive, reverse in ((False, False), (True, False), (False, True), (True, True))
        for dtype in ("float32", "int32")
    },
    **{
        f"ONE_HOT {axis} {dtype}": (_one_hot, (axis, dtype))
        for axis in (-1, 0, 1, 2)
        for dtype in ("float32", "int32", "int8")
    },
    **{
        f"{operator} {axes} {keep}": (_every, (operator, axes, keep))
        for operator in ("REDUCE_ALL", "REDUCE_ANY")
        for axes in ((3,), (1, 2), (2,), (1, 2, 3))
        for keep in (False, True)
    },
    **{
        f"GATHER of {kind} over {axis}": (_looked_up, (kind, axis))
        for kind in ("labels", "float32", "int8")
        for axis in (1, 2, 3)
    },
    **{f"GATHER_ND of {axes} axes": (_places, (axes,)) for axes in (2, 3, 4)},
}


@pytest.mark.parametrize("name", CASES)
def test_they_are_litert_s(
    name: str, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("ai_edge_litert")
    make, arguments = CASES[name]
    blob: bytes = make(*arguments)  # type: ignore[operator]
    samples = random_samples(SHAPE, "int8" if "of int8" in name else "float32", 3, 0)
    (theirs,) = litert(blob, samples)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    np.testing.assert_allclose(ours, theirs.reshape(ours.shape), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("target", PLACES[:2])
@pytest.mark.parametrize(
    "name", ["ONE_HOT -1 float32", "REDUCE_ANY (1, 2) True", "GATHER of int8 over 2",
             "GATHER_ND of 3 axes", "GATHER of labels over 3"],
)  # fmt: skip
def test_they_compile(name: str, target: str, tmp_path: Path) -> None:
    make, arguments = CASES[name]
    assert verified(make(*arguments), ".tflite", target, tmp_path).passed  # type: ignore[operator]
