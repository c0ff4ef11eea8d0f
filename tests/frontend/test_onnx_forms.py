"""Every form of `onnx_forms` gives what onnxruntime gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import run
from edgemnv2.passes import lower
from edgemnv2.samples.images import to_nhwc, to_source
from tests.frontend.onnx_forms import FORMS, Form
from tests.frontend.onnx_fused_forms import FUSED_FORMS
from tests.frontend.onnx_index_forms import INDEX_FORMS
from tests.networks.against import onnxruntime_outputs

ALL = FORMS | FUSED_FORMS | INDEX_FORMS
TOLERANCE = 1e-4
"""Of the largest output."""


def _image(form: Form) -> Any:
    random = np.random.default_rng(0)
    if form.dtype == "uint8":
        return random.integers(0, 256, form.shape).astype(np.uint8)
    return (random.normal(size=form.shape) * 2).astype(np.float32)


@pytest.mark.parametrize("name", ALL)
def test_the_form_is_onnxruntimes(
    name: str, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("onnxruntime")
    form = ALL[name]
    blob, x = form.model().SerializeToString(), _image(form)
    path = tmp_path / "form.onnx"
    path.write_bytes(blob)
    graph = lower(load_model(path))
    values = run(graph, to_nhwc(x, graph.input_specs[0]))
    theirs = onnxruntime_outputs(blob, [x])
    for out, spec, expected in zip(graph.outputs, graph.output_specs, theirs, strict=True):
        assert spec.shape == expected.shape[1:]
        ours = to_source(values[out], spec).reshape(spec.shape)
        allowed = TOLERANCE * max(float(np.abs(expected).max()), 1e-6)
        if form.steps:
            # Sums in another order may fall to the other side of a half.
            allowed += form.steps * float(form.constants["ys"])
            assert (np.abs(ours - expected[0]) > allowed / 2).mean() <= 0.01
        assert np.abs(ours - expected[0]).max() <= allowed
