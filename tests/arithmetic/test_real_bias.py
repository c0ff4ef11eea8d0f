"""A bias in real numbers on top of sums that stand for next to nothing."""

from __future__ import annotations

import numpy as np
import pytest

from edgemnv2.arithmetic.fixed_point import rescaled
from edgemnv2.arithmetic.onnx import convolution_requantize, with_real_bias
from edgemnv2.model import QuantParams


@pytest.mark.parametrize("bias", [3e3, -0.7])
def test_a_channel_whose_scale_is_nothing_is_its_bias(bias: float) -> None:
    quant = QuantParams(0.1, 3)
    weight = np.full((3, 3, 1), 127, np.int8)
    factor = convolution_requantize(QuantParams(1e-30, 0), np.array([1e-30]), quant, 1)
    stored, changed, new = with_real_bias(
        factor, np.array([bias]), np.array([1e-60]), quant, weight, 255
    )
    assert not changed.any()
    assert rescaled(stored.astype(np.int64), new)[0] == round(bias / quant.scale)
