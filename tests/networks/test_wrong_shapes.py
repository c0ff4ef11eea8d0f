"""A file that gives a tensor another shape than its operator makes: a clear error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgemnv2.errors import ModelError
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from tests.networks.onnx_net import one_operator
from tests.networks.random_tflite import random_network
from tests.networks.tflite_net import TfliteNet

NETWORKS = 150


def _with_a_wrong_shape(seed: int, constant: bool, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A random network, of which one tensor has one extent more or less than it should."""
    random = np.random.default_rng(seed)
    build = TfliteNet.build

    def change(net: TfliteNet, inputs: list[int], outputs: list[int]) -> bytes:
        chosen = [
            x
            for i, x in enumerate(net.tensors)
            if (x.data is not None) == constant and x.shape and i not in inputs
        ]
        if chosen:
            tensor = chosen[int(random.integers(len(chosen)))]
            axis = int(random.integers(len(tensor.shape)))
            other = max(1, tensor.shape[axis] + int(random.choice([-1, 1, 3])))
            tensor.shape = (*tensor.shape[:axis], other, *tensor.shape[axis + 1 :])
            if constant:
                tensor.data = np.resize(tensor.data, tensor.shape)
        return build(net, inputs, outputs)

    with monkeypatch.context() as patch:
        patch.setattr(TfliteNet, "build", change)
        return random_network(seed).blob


@pytest.mark.parametrize("constant", [False, True])
def test_wrong_shapes_are_told(
    constant: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, refused = tmp_path / "net.tflite", 0
    for seed in range(NETWORKS):
        path.write_bytes(_with_a_wrong_shape(seed, constant, monkeypatch))
        try:
            lower(load_model(path))
        except ModelError as error:
            assert str(error).startswith("net.tflite: ")
            refused += 1
    assert refused > NETWORKS / 4


@pytest.mark.parametrize("what", ["strides", "dilations", "pads"])
def test_a_reach_beyond_any_map_is_told(what: str, tmp_path: Path) -> None:
    huge = {"strides": [1, 1 << 20], "dilations": [1 << 16, 1], "pads": [1 << 16, 0, 1 << 16, 0]}
    path = tmp_path / "net.onnx"
    weight = np.ones((2, 3, 3, 3), np.float32)
    more = {"pads": [1 << 16, 0, 1 << 16, 0]} if what == "dilations" else {}
    attributes = {**more, what: huge[what]}
    path.write_bytes(one_operator("Conv", (1, 3, 8, 8), {"w": weight}, **attributes))
    with pytest.raises(ModelError, match=r"at most 4096 each"):
        lower(load_model(path))
