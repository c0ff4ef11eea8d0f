"""One network as each opset from 7 to 22 writes it: forms differ, the function does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.check.source import check_source
from edgemnv2.frontend import load_model
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.samples.inputs import random_set

OPSETS = range(7, 23)
NEWEST_IR = 10
PAD_INPUTS, CLIP_INPUTS, AXES_INPUT, MEAN_INPUT = 11, 11, 13, 18
SOFTMAX_AXIS, CAST_LIKE = 13, 15


class _Net:
    """Nodes without names; constants as initialisers or as nodes."""

    def __init__(self, opset: int) -> None:
        self.opset, self.nodes, self.constants = opset, [], []  # type: ignore[var-annotated]

    def constant(self, values: Any, dtype: Any = np.float32, as_node: bool = False) -> str:
        tensor = numpy_helper.from_array(np.asarray(values, dtype), f"c{len(self.constants)}")
        self.constants.append(tensor)
        if as_node:
            self.nodes.append(helper.make_node("Constant", [], [tensor.name], value=tensor))
        return str(tensor.name)

    def node(self, op: str, inputs: list[str], **attrs: Any) -> str:
        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], **attrs))
        return output


def network(opset: int) -> bytes:
    """Pad, Conv, BatchNormalization, Clip, means, Squeeze, Unsqueeze, Softmax."""
    net, random = _Net(opset), np.random.default_rng(opset)
    sizes = [0, 0, 1, 0, 0, 0, 1, 2]
    if opset >= PAD_INPUTS:
        y = net.node("Pad", ["x", net.constant(sizes, np.int64)])
    else:
        y = net.node("Pad", ["x"], pads=sizes)
    weight = net.constant(random.normal(size=(4, 3, 3, 3)), as_node=True)
    y = net.node("Conv", [y, weight], strides=[2, 2], kernel_shape=[3, 3])
    vectors = [net.constant(random.uniform(0.5, 1.5, 4)) for _ in range(4)]
    y = net.node("BatchNormalization", [y, *vectors])
    if opset >= CLIP_INPUTS:
        # The lower limit is left out: an empty name.
        y = net.node("Clip", [y, "", net.constant(1.5, as_node=True)])
        y = net.node("Clip", [y, net.constant(0.0)])
    else:
        y = net.node("Clip", [y], min=0.0, max=1.5)
    if opset >= MEAN_INPUT:
        y = net.node("ReduceMean", [y, net.constant([2, 3], np.int64)], keepdims=1)
    else:
        y = net.node("ReduceMean", [y], axes=[2, 3], keepdims=1)
    for op in ("Squeeze", "Unsqueeze", "Squeeze"):
        if opset >= AXES_INPUT:
            y = net.node(op, [y, net.constant([2, 3], np.int64)])
        else:
            y = net.node(op, [y], axes=[2, 3])
    y = net.node("Gemm", [y, net.constant(random.normal(size=(4, 5))), net.constant([0.5])])
    net.node("Softmax", [y], **({"axis": -1} if opset >= SOFTMAX_AXIS else {}))
    net.nodes[-1].output[0] = "y"
    as_nodes = {name for x in net.nodes if x.op_type == "Constant" for name in x.output}
    graph = helper.make_graph(
        net.nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])],
        [x for x in net.constants if x.name not in as_nodes],
    )
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(
        graph, opset_imports=opsets, ir_version=min(NEWEST_IR, 3 + opset // 2)
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _checked(data: bytes, folder: Path) -> Graph:
    path = folder / "net.onnx"
    path.write_bytes(data)
    graph = lower(load_model(path))
    found = check_source(graph, path, random_set(graph, 2, 0).arrays)
    assert found.passed and found.judged_by == "outputs", found
    return graph


@pytest.mark.parametrize("opset", OPSETS)
def test_the_network_is_onnxruntimes(
    opset: int, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("onnxruntime")
    _checked(network(opset), tmp_path)


@pytest.mark.parametrize("batch", [-1, 0, "N", ""])
def test_a_free_batch_is_one_however_it_is_written(
    batch: int | str, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("onnxruntime")
    model = onnx.load_model_from_string(network(17))
    first = model.graph.input[0].type.tensor_type.shape.dim[0]
    first.Clear()
    if isinstance(batch, int):
        first.dim_value = batch
    elif batch:
        first.dim_param = batch
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    graph = lower(load_model(path))
    assert graph.input_specs[0].shape == (1, 3, 8, 8)
    assert graph.output_specs[0].shape == (1, 5)
