"""Every operator also stands where its inputs are all constants: there it is computed at import."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper

from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import run
from edgemnv2.passes import lower
from edgemnv2.samples.images import to_nhwc, to_source
from tests.frontend.onnx_forms import FORMS, Form
from tests.networks.against import onnxruntime_outputs

STAY = ("QuantizeLinear", "DequantizeLinear", "com.microsoft")
IMAGE = (1, 1, 1, 1)
OF_SCALES = 10
"""The first opset that has DequantizeLinear."""


def _of_a_constant(form: Form, late: bool) -> Any:
    """The form's network of random numbers, its outputs added to an image of one pixel.

    `late`: of integers and their scale, which are no numbers until the nodes are read.
    """
    model = form.model()
    random = np.random.default_rng(0)
    x = (random.normal(size=form.shape) * 2).astype(np.float32)
    del model.graph.input[:]
    if late:
        integers = np.rint(x * 16).clip(-128, 127).astype(np.int8)
        constants = {"x.integers": integers, "x.scale": np.float32(1 / 16)}
        model.graph.node.insert(0, helper.make_node("DequantizeLinear", [*constants], ["x"]))
    else:
        constants = {"x": x}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()
    )
    image = helper.make_tensor_value_info("image", 1, IMAGE)
    model.graph.input.append(image)
    for output in model.graph.output:
        model.graph.node.append(
            helper.make_node("Add", [output.name, "image"], [f"{output.name}+"])
        )
        output.name = f"{output.name}+"
    return model


KNOWN = {
    name: form
    for name, form in FORMS.items()
    if form.dtype == "float"
    and not form.batch
    and not form.functions
    and not any(word in form.text for word in STAY)
}


@pytest.mark.parametrize(
    "name, late",
    [
        pytest.param(name, late, id=f"{name}-{'late' if late else 'early'}")
        for name, form in KNOWN.items()
        for late in (False, True)
        if not late or form.opset >= OF_SCALES
    ],
)
def test_the_constant_is_onnxruntimes(
    name: str, late: bool, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("onnxruntime")
    blob = _of_a_constant(KNOWN[name], late).SerializeToString()
    path = tmp_path / "form.onnx"
    path.write_bytes(blob)
    graph = lower(load_model(path))
    image = np.full(IMAGE, 0.25, np.float32)
    values = run(graph, to_nhwc(image, graph.input_specs[0]))
    theirs = onnxruntime_outputs(blob, [image])
    for out, spec, expected in zip(graph.outputs, graph.output_specs, theirs, strict=True):
        ours = to_source(values[out], spec).reshape(expected.shape)
        allowed = 1e-4 * max(float(np.abs(expected).max()), 1e-6)
        assert np.abs(ours - expected).max() <= allowed
