"""The walk over a graph: every tensor, batches, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from edgemnv2.errors import InputError
from edgemnv2.model import TensorSpec
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.execute import outputs, run
from edgemnv2.ops.graph import Graph, Tensor


@pytest.fixture
def graph() -> Graph:
    """y = x @ identity * 2, z = x + y."""
    tensors = {n: Tensor(n, 2, 3, 4, "float32") for n in "xyz"}
    double = Conv2D(
        "double",
        ("x",),
        "y",
        weight=2 * np.eye(4, dtype=np.float32).reshape(1, 1, 4, 4),
        bias=np.zeros(4, np.float32),
        stride=(1, 1),
        padding=(0, 0, 0, 0),
        clamp=(-np.inf, np.inf),
    )
    total = Add("total", ("x", "y"), "z", clamp=(-np.inf, np.inf))
    spec = TensorSpec("x", (1, 2, 3, 4), "float32", "NHWC")
    return Graph("small", tensors, (double, total), ("x",), ("z",), (spec,), (spec,))


def test_every_tensor_is_given_and_a_missing_batch_is_one(graph):
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    values = run(graph, x)
    assert list(values) == ["x", "y", "z"]
    np.testing.assert_array_equal(values["y"], 2 * x[np.newaxis])
    np.testing.assert_array_equal(values["z"], 3 * x[np.newaxis])


def test_without_keeping_only_the_outputs_are_given(graph):
    x = np.ones((5, 2, 3, 4), np.float32)
    values = run(graph, x, keep=False)
    assert list(values) == ["z"]
    np.testing.assert_array_equal(values["z"], 3 * x)


@pytest.mark.parametrize("shape", [(1, 3, 2, 4), (2, 3), (1, 1, 2, 3, 4)])
def test_another_shape_is_refused(graph, shape):
    with pytest.raises(InputError, match=r"give \[N, 2, 3, 4\] \(NHWC\)"):
        run(graph, np.zeros(shape, np.float32))


def test_another_dtype_is_refused(graph):
    with pytest.raises(InputError, match=r"input of dtype float64 .* give float32"):
        run(graph, np.zeros((1, 2, 3, 4)))


def test_batches_give_the_same_outputs_in_order(graph):
    x = np.arange(5 * 24, dtype=np.float32).reshape(5, 2, 3, 4)
    np.testing.assert_array_equal(outputs(graph, x, batch=2), 3 * x)
