"""Padding: LiteRT's bytes, also where the file gives the output a scale of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgemnv2.errors import ModelError
from edgemnv2.frontend import load_model
from tests.networks.against import litert, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.tflite_net import TfliteNet

SIZES = np.array([[0, 0], [1, 2], [0, 3], [2, 0]], np.int32)
SHAPE, PADDED = (1, 4, 5, 3), (1, 7, 8, 5)


def padded(dtype: str, sizes: np.ndarray = SIZES, scale: float = 0.2, zero: int = 7) -> bytes:
    """One PAD whose output the file gives another scale and zero point than its input."""
    net = TfliteNet()
    x = net.tensor(SHAPE, dtype, 0.1, 3)
    y = net.tensor(PADDED, dtype, scale, zero)
    net.add("PAD", [x, net.constant(sizes)], [y], "PadOptions")
    return net.build([x], [y])


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(("scale", "zero"), [(0.1, 3), (0.2, 7), (0.1, 9)])
def test_stored_values_are_litert_s(dtype: str, scale: float, zero: int, tmp_path: Path) -> None:
    blob = padded(dtype, scale=scale, zero=zero)
    samples = random_samples(SHAPE, dtype, 2, 0)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    assert (ours == litert(blob, samples)[0]).all()


@pytest.mark.parametrize("target", PLACES)
def test_it_runs_everywhere(target: str, tmp_path: Path) -> None:
    assert verified(padded("int8"), ".tflite", target, tmp_path).exact


@pytest.mark.parametrize("sizes", [SIZES[:3], np.concatenate([SIZES, SIZES[:1]]), -SIZES])
def test_sizes_that_do_not_fit_are_told(sizes: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(padded("int8", sizes))
    with pytest.raises(ModelError, match=r"operator 0 \('t1'\): PAD with sizes"):
        load_model(tmp_path / "net.tflite")
