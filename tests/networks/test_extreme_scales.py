"""Scales that no training ends with, at every place of a quantised ONNX network: right or told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgemnv2.check.source import check_source
from edgemnv2.errors import ModelError
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.samples.inputs import random_set
from tests.networks.qdq_net import QdqNet

SCALES = (1e-38, 1e-20, 1e-7, 1e-3, 10.0, 1e4, 1e6, 1e10, 3e38)


def block(bias: str) -> onnx.ModelProto:
    net = QdqNet((1, 4, 6, 6), 0.05, 3)
    net.convolution(4, 0.1, -3, kernel=3, depthwise=True, bias=bias, relu=True)
    residual = net.real
    net.convolution(4, 0.2, 5, bias=bias)
    net.add(residual, 0.3, 1)
    net.mean(0.1, 0)
    return onnx.load_from_string(net.model((1, 4, 1, 1)))


@pytest.mark.parametrize("bias", ["int32", "float", "none"])
def test_any_scale_is_right_or_refused(bias: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path, right, refused = tmp_path / "net.onnx", 0, 0
    names = [x.name for x in block(bias).graph.initializer if x.name.endswith(".scale")]
    for name in names:
        for scale in SCALES:
            model = block(bias)
            (changed,) = (x for x in model.graph.initializer if x.name == name)
            changed.CopyFrom(numpy_helper.from_array(np.array(scale, np.float32), name))
            path.write_bytes(model.SerializeToString())
            try:
                graph = lower(load_model(path))
            except ModelError as error:
                assert "net.onnx" in str(error) and "scale" in str(error)
                refused += 1
                continue
            found = check_source(graph, path, random_set(graph, 1, 0).arrays)
            assert found.passed, (name, scale, found)
            right += 1
    assert right > refused > 0
