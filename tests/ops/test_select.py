"""Slices, splits, gathers, tiles, mirrors: over any axis of any rank, in both formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.errors import EdgeError
from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.tflite_net import TfliteNet

SHAPES = ((1, 5, 4, 3), (1, 6, 1, 7), (1, 7), (1, 6, 2), (1, 3, 2, 4, 2))


class Moves:
    """A TFLite network under construction: an image, seen as `shape`, and one operator on it."""

    def __init__(self, shape: Any, dtype: str) -> None:
        self.net, self.shape, self.dtype = TfliteNet(), tuple(shape), dtype
        self.quant: dict[str, Any] = {}
        if dtype != "float32":
            self.quant = {"scale": 0.1, "zero_point": 3}
        self.first = self.tensor((1, 1, 1, int(np.prod(shape))))
        self.x = self.tensor(shape)
        new_shape = self.ints(shape)
        self.net.add(
            "RESHAPE", [self.first, new_shape], [self.x], "ReshapeOptions", new_shape=list(shape)
        )

    def tensor(self, shape: Any) -> int:
        return self.net.tensor(shape, self.dtype, **self.quant)

    def ints(self, values: Any) -> int:
        return self.net.constant(np.asarray(values, np.int32))

    def done(
        self, name: str, inputs: list[int], shape: Any, kind: str = "", **fields: Any
    ) -> bytes:
        y = self.tensor(shape)
        self.net.add(name, inputs, [y], kind, **fields)
        return self.net.build([self.first], [y])


def moved(name: str, shape: Any, dtype: str, axis: int, random: Any) -> bytes:
    """A network of operator `name` along `axis`."""
    m = Moves(shape, dtype)
    rank, extent = len(shape), shape[axis]

    def with_extent(n: int) -> list[int]:
        return [n if i == axis else e for i, e in enumerate(shape)]

    if name == "GATHER":
        taken = random.integers(0, extent, 5)
        options = {"kind": "GatherOptions", "axis": axis}
        return m.done(name, [m.x, m.ints(taken)], with_extent(5), **options)
    if name == "GATHER one":
        rest = [e for i, e in enumerate(shape) if i != axis]
        options = {"kind": "GatherOptions", "axis": axis - rank}
        return m.done("GATHER", [m.x, m.ints(extent - 1)], rest, **options)
    if name == "GATHER of a matrix":
        taken = random.integers(0, extent, (2, 3))
        out = [*shape[:axis], 2, 3, *shape[axis + 1 :]]
        return m.done("GATHER", [m.x, m.ints(taken)], out, "GatherOptions", axis=axis)
    if name == "TILE":
        repeats = [2 if i == axis else 1 for i in range(rank)]
        return m.done(name, [m.x, m.ints(repeats)], with_extent(2 * extent), "TileOptions")
    if name == "REVERSE_V2":
        return m.done(name, [m.x, m.ints([axis])], shape, "ReverseV2Options")
    if name == "SLICE":
        begin = [extent // 2 if i == axis else 0 for i in range(rank)]
        size = [-1] * rank
        out = with_extent(extent - extent // 2)
        return m.done(name, [m.x, m.ints(begin), m.ints(size)], out, "SliceOptions")
    if name == "STRIDED_SLICE":
        steps = [2 if i == axis else 1 for i in range(rank)]
        bounds = [m.ints([0] * rank), m.ints(shape), m.ints(steps)]
        out = with_extent(-(-extent // 2))
        return m.done(name, [m.x, *bounds], out, "StridedSliceOptions")
    if name == "STRIDED_SLICE backwards":
        steps = [-1 if i == axis else 1 for i in range(rank)]
        bounds = [m.ints([-1 if i == axis else 0 for i in range(rank)]), m.ints(shape)]
        fields = {"begin_mask": 0, "end_mask": 1 << axis}
        operands = [m.x, *bounds, m.ints(steps)]
        return m.done("STRIDED_SLICE", operands, shape, "StridedSliceOptions", **fields)
    if name == "STRIDED_SLICE of one":
        begin = [-1 if i == axis else 0 for i in range(rank)]
        end = [0 if i == axis else e for i, e in enumerate(shape)]
        rest = [e for i, e in enumerate(shape) if i != axis]
        operands = [m.x, m.ints(begin), m.ints(end), m.ints([1] * rank)]
        fields = {"shrink_axis_mask": 1 << axis}
        return m.done("STRIDED_SLICE", operands, rest, "StridedSliceOptions", **fields)
    if name == "STRIDED_SLICE behind an ellipsis":
        operands = [m.x, m.ints([0, 0]), m.ints([0, 1]), m.ints([1, 1])]
        out = [*shape[:-1], 1]
        return m.done("STRIDED_SLICE", operands, out, "StridedSliceOptions", ellipsis_mask=1)
    if name == "STRIDED_SLICE with a new axis":
        operands = [m.x, m.ints([0, 0]), m.ints([0, 1]), m.ints([1, 1])]
        out = [1, 1, *shape[1:]]
        fields = {"new_axis_mask": 1, "begin_mask": 2, "end_mask": 2}
        return m.done("STRIDED_SLICE", operands, out, "StridedSliceOptions", **fields)
    if name in ("REFLECT", "SYMMETRIC"):
        most = extent - 1 if name == "REFLECT" else extent
        pairs = [[most, min(1, most)] if i == axis else [0, 0] for i in range(rank)]
        out = with_extent(extent + most + min(1, most))
        mode = 0 if name == "REFLECT" else 1
        return m.done("MIRROR_PAD", [m.x, m.ints(pairs)], out, "MirrorPadOptions", mode=mode)
    if name == "UNPACK":
        rest = [e for i, e in enumerate(shape) if i != axis]
        outs = [m.tensor(rest) for _ in range(extent)]
        m.net.add("UNPACK", [m.x], outs, "UnpackOptions", axis=axis, num=extent)
        return m.net.build([m.first], [outs[-1]])
    if name == "SPLIT_V":
        sizes = [extent // 3, extent - extent // 3] if extent > 2 else [extent]
        outs = [m.tensor(with_extent(n)) for n in sizes]
        operands = [m.x, m.ints(sizes), m.ints(axis)]
        m.net.add("SPLIT_V", operands, outs, "SplitVOptions", num_splits=len(sizes))
        return m.net.build([m.first], [outs[-1]])
    assert name == "BROADCAST_TO"
    first = [1 if i == axis else e for i, e in enumerate(shape)]
    m = Moves(first, dtype)
    return m.done(name, [m.x, m.ints(shape)], shape, "BroadcastToOptions")


NAMES = (
    "BROADCAST_TO", "GATHER", "GATHER of a matrix", "GATHER one", "REFLECT", "REVERSE_V2", "SLICE",
    "SPLIT_V", "STRIDED_SLICE", "STRIDED_SLICE backwards", "STRIDED_SLICE behind an ellipsis",
    "STRIDED_SLICE of one", "STRIDED_SLICE with a new axis", "SYMMETRIC", "TILE", "UNPACK",
)  # fmt: skip
# What LiteRT has no kernel for.
MISSING = {("REVERSE_V2", "int8")}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32"])
@pytest.mark.parametrize("name", NAMES)
def test_values_equal_litert(name: str, dtype: str, shape: Any, tmp_path: Path) -> None:
    if (name, dtype) in MISSING:
        dtype = "uint8"
    compared = 0
    for axis in range(1, len(shape)):
        blob = moved(name, shape, dtype, axis, np.random.default_rng(axis))
        size = int(np.prod(shape))
        if name == "BROADCAST_TO":
            size //= shape[axis]
        samples = random_samples((1, 1, 1, size), dtype, 2, axis)
        try:
            theirs = litert(blob, samples)[0]
        except (RuntimeError, ValueError):
            # LiteRT's own limits of ranks.
            assert len(shape) > 4 or name == "GATHER of a matrix"
            continue
        compared += 1
        _, ours = reference(blob, ".tflite", samples, tmp_path)
        np.testing.assert_array_equal(ours, theirs)
    assert compared or len(shape) > 4


def onnx_net(operator: str, constants: list[Any], outputs: int = 1, **attributes: Any) -> bytes:
    """A network of one operator on `[1, 3, 5, 4]`; the last output is the network's."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 5, 4))
    names = [f"y{i}" for i in range(outputs)]
    y = helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, None)
    arrays = [numpy_helper.from_array(np.asarray(c), f"c{i}") for i, c in enumerate(constants)]
    operands = ["x", *(a.name for a in arrays)]
    node = helper.make_node(operator, operands, names, **attributes)
    graph = helper.make_graph([node], "g", [x], [y], arrays)
    imports = [helper.make_opsetid("", 19)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString()


def long(values: Any) -> Any:
    return np.array(values, np.int64)


ONNX: dict[str, Any] = {
    "Expand": ("Expand", [long([1, 3, 5, 4])]),
    "Expand to more axes": ("Expand", [long([2, 1, 3, 5, 4])]),
    "Gather": ("Gather", [long([2, 0, -1])], {"axis": 1}),
    "Gather one": ("Gather", [long(-2)], {"axis": 2}),
    "Gather of a matrix": ("Gather", [long([[0, 1], [3, -4]])], {"axis": 3}),
    "Pad edge": ("Pad", [long([0, 0, 2, 1, 0, 0, 1, 3])], {"mode": "edge"}),
    "Pad reflect": ("Pad", [long([0, 0, 2, 1, 0, 0, 4, 3])], {"mode": "reflect"}),
    "Pad wrap": ("Pad", [long([0, 0, 2, 1, 0, 0, 4, 3])], {"mode": "wrap"}),
    "Slice": ("Slice", [long([1, 0]), long([3, 9]), long([1, -1]), long([1, 2])]),
    "Slice backwards": ("Slice", [long([-1]), long([-99]), long([2]), long([-2])]),
    "Slice channels": ("Slice", [long([2]), long([-4]), long([1]), long([-1])]),
    "Split": ("Split", [long([1, 3, 1])], {"axis": 2}, 3),
    "Split channels": ("Split", [long([1, 2])], {"axis": 1}, 2),
    "Tile": ("Tile", [long([1, 2, 3, 1])]),
}


@pytest.mark.parametrize("name", ONNX)
def test_onnx_values_are_equal(name: str, tmp_path: Path) -> None:
    operator, constants, *more = ONNX[name]
    attributes = more[0] if more else {}
    blob = onnx_net(operator, constants, more[1] if len(more) > 1 else 1, **attributes)
    samples = random_samples((1, 3, 5, 4), "float32", 2, 0)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    np.testing.assert_array_equal(ours, onnxruntime_outputs(blob, samples)[0])


@pytest.mark.parametrize("target", PLACES[:3])
@pytest.mark.parametrize(
    ("name", "axis"),
    [("GATHER", 3), ("REFLECT", 1), ("REVERSE_V2", 1), ("STRIDED_SLICE", 2), ("UNPACK", 3)],
)
def test_compiled_networks_agree(name: str, axis: int, target: str, tmp_path: Path) -> None:
    blob = moved(name, (1, 5, 4, 3), "int8", axis, np.random.default_rng(0))
    assert verified(blob, ".tflite", target, tmp_path).exact


def test_an_index_outside_is_refused(tmp_path: Path) -> None:
    m = Moves((1, 5, 4, 3), "int8")
    blob = m.done("GATHER", [m.x, m.ints([7])], (1, 1, 4, 3), "GatherOptions", axis=1)
    with pytest.raises(EdgeError, match=r"operator 1 .* GATHER with an index outside of axis 1"):
        reference(blob, ".tflite", random_samples((1, 1, 1, 60), "int8", 1, 0), tmp_path)
