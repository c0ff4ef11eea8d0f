"""The calibration's float network follows the reference and is the same for any batch."""

from __future__ import annotations

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.quantizer.float_run import ExactRun
from edgemnv2.samples.images import random_inputs

LEAST_DB = 65.0
"""Signal to noise against the reference, fifty layers deep: int8 has 50 dB at best."""


@pytest.fixture(scope="module")
def graph() -> Graph:
    return lower(load_model("mobilenetv2-0.35-96"))


@pytest.fixture(scope="module")
def x(graph) -> np.ndarray:
    return random_inputs(graph.tensors[graph.inputs[0]], 3, seed=4).x


def test_every_tensor_follows_the_reference(graph, x):
    exact, reference = ExactRun(graph)(x), run(graph, x)
    assert exact.keys() == reference.keys()
    for name, wanted in reference.items():
        assert exact[name].dtype == np.float32
        noise = float(((exact[name] - wanted).astype(np.float64) ** 2).sum())
        power = float((wanted.astype(np.float64) ** 2).sum())
        assert 10 * np.log10(power / noise) > LEAST_DB, name


def test_an_image_does_not_depend_on_its_neighbours(graph, x):
    together, run_one = ExactRun(graph)(x), ExactRun(graph)
    for index in range(len(x)):
        for name, values in run_one(x[index : index + 1]).items():
            np.testing.assert_array_equal(values[0], together[name][index], err_msg=name)


def test_the_inputs_are_left_as_they_are(graph, x):
    before = x.copy()
    ExactRun(graph)(x)
    np.testing.assert_array_equal(x, before)
