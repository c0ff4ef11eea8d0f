"""ONNX CumSum over every axis, in either direction, beside onnxruntime's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.frontend import load_model
from tests.networks.against import onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import verified
from tests.networks.onnx_net import one_operator

SHAPE = (1, 3, 5, 4)


@pytest.mark.parametrize("reverse", [0, 1])
@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1, -2])
def test_running_sums_are_onnxruntimes(
    axis: int, exclusive: int, reverse: int, tmp_path: Path
) -> None:
    along = {"axis": np.array(axis, np.int64)}
    blob = one_operator("CumSum", SHAPE, along, exclusive=exclusive, reverse=reverse)
    samples = random_samples(SHAPE, "float32", 2, 0)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    theirs = onnxruntime_outputs(blob, samples)[0].reshape(ours.shape)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("target", ["host", pytest.param("rpi4", marks=pytest.mark.slow(ci=True))])
def test_running_sums_compile(target: str, tmp_path: Path) -> None:
    blob = one_operator("CumSum", SHAPE, {"axis": np.array(2, np.int64)})
    assert verified(blob, ".onnx", target, tmp_path).passed


def test_long_axes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(one_operator("CumSum", (1, 1, 1, 2000), {"axis": np.array(3)}))
    with pytest.raises(UnsupportedOperator, match=r"2000 values.*at most 1024"):
        load_model(path)
