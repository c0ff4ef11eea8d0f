"""Assignments to slices, as PyTorch exports them: `x[..., :2] = y` is ScatterND by constants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.errors import UnsupportedOperator
from tests.networks.against import onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import PLACES, verified

SHAPES = ((1, 6), (1, 5, 4), (1, 5, 4, 3), (1, 3, 2, 4, 2))


def assigned(shape: Any, taken: Any, depth: int, onto: str, indices: Any = None) -> bytes:
    """`onto` ("computed", "zeros" or "onto itself") with the negated image at `taken` of each axis.

    `indices` has the first `depth` axes, in their place if given.
    """
    constants: dict[str, Any] = {"shape": np.array(shape, np.int64)}
    nodes = [helper.make_node("Reshape", ["image", "shape"], ["x"], name="seen")]
    nodes.append(helper.make_node("Neg", ["x"], ["negative"]))
    last = "negative"
    for axis, indices_of_axis in enumerate(taken):
        constants[f"taken{axis}"] = np.array(indices_of_axis, np.int64)
        nodes.append(helper.make_node("Gather", [last, f"taken{axis}"], [f"part{axis}"], axis=axis))
        last = f"part{axis}"
    if indices is None:
        grid = np.meshgrid(*taken[:depth], indexing="ij")
        indices = np.stack(grid, -1)
    constants["indices"] = indices.astype(np.int64)
    constants["zeros"] = np.zeros(shape, np.float32)
    data = {"computed": "x", "zeros": "zeros", "itself": "negative"}[onto]
    nodes.append(helper.make_node("ScatterND", [data, "indices", last], ["y"], name="assign"))
    count = int(np.prod(shape))
    ends = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, count, 1, 1]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, shape),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        ends[:1],
        ends[1:],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 16)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def random_slices(shape: Any, random: Any) -> list[list[int]]:
    """Indices of each axis: all of them, or a slice of step 1 to 3."""
    taken = []
    for extent in shape:
        start = int(random.integers(0, extent))
        end = int(random.integers(start + 1, extent + 1))
        some = list(range(start, end, int(random.integers(1, 4))))
        taken.append(some if random.random() < 0.6 else list(range(extent)))
    return taken


# Zeros are paddings, of which no map has five axes.
CELLS = [
    (shape, onto)
    for shape in SHAPES
    for onto in ("computed", "zeros", "itself")
    if len(shape) < 5 or onto != "zeros"
]


@pytest.mark.parametrize(("shape", "onto"), CELLS)
def test_slices_of_any_axes_equal_onnxruntime(shape: Any, onto: str, tmp_path: Path) -> None:
    samples = random_samples([1, int(np.prod(shape)), 1, 1], "float32", 2, 0)
    for seed in range(12):
        random = np.random.default_rng(seed)
        taken = random_slices(shape, random)
        depth = int(random.integers(1, len(shape) + 1))
        taken[depth:] = [list(range(n)) for n in shape[depth:]]
        blob = assigned(shape, taken, depth, onto)
        _, ours = reference(blob, ".onnx", samples, tmp_path)
        theirs = onnxruntime_outputs(blob, samples)[0]
        assert np.array_equal(ours.reshape(theirs.shape), theirs), (seed, taken, depth)


def test_indices_from_behind_are_the_same(tmp_path: Path) -> None:
    taken = [[0], [3, 4], [0, 1, 2, 3]]
    samples = random_samples([1, 20, 1, 1], "float32", 2, 0)
    blob = assigned((1, 5, 4), taken, 2, "computed", np.array([[[0, -2], [0, -1]]]))
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    theirs = onnxruntime_outputs(blob, samples)[0]
    assert np.array_equal(ours.reshape(theirs.shape), theirs)


@pytest.mark.parametrize(
    "indices",
    [
        [[[0, 4], [0, 3]]],  # they count down
        [[[0, 3], [0, 3]]],  # twice the same
        [[[0, 3], [0, 5]]],  # outside
    ],
)
def test_what_is_no_slice_is_refused_by_name(indices: Any, tmp_path: Path) -> None:
    blob = assigned((1, 5, 4), [[0], [3, 4], [0, 1, 2, 3]], 2, "computed", np.array(indices))
    with pytest.raises(UnsupportedOperator, match=r"'assign'.*indices that are no box"):
        reference(blob, ".onnx", [np.zeros((1, 20, 1, 1), np.float32)], tmp_path)


def test_a_slice_in_many_parts_is_refused_by_name(tmp_path: Path) -> None:
    blob = assigned((1, 200), [[0], list(range(0, 200, 2))], 2, "computed")
    with pytest.raises(UnsupportedOperator, match=r"'assign'.*200 parts"):
        reference(blob, ".onnx", [np.zeros((1, 200, 1, 1), np.float32)], tmp_path)


@pytest.mark.parametrize("target", PLACES)
def test_assignments_compile(target: str, tmp_path: Path) -> None:
    for number, shape in enumerate(SHAPES):
        taken = random_slices(shape, np.random.default_rng(number))
        blob = assigned(shape, taken, len(shape), "computed")
        (tmp_path / str(number)).mkdir()
        verified(blob, ".onnx", target, tmp_path / str(number))
