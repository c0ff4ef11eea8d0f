"""The paper's network with seeded weights: deterministic, of the right shape, not degenerate."""

from __future__ import annotations

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.frontend.architecture import architecture
from edgemnv2.frontend.network import (
    PUBLISHED_RESOLUTIONS,
    PUBLISHED_WIDTHS,
    build_network,
    parse_built_in,
)
from edgemnv2.frontend.seeded import INPUT, seeded_layers
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower

PINNED_INTEGERS = (53, 10379)
PINNED_SCALES = 28.086958289146423


def parameters(graph: Graph) -> int:
    convolutions = [x for x in graph.layers if isinstance(x, Conv2D | DepthwiseConv2D)]
    return sum(x.weight.size + x.bias.size for x in convolutions)


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("width", PUBLISHED_WIDTHS)
def test_layers_have_the_architectures_costs(width: float, int8: bool) -> None:
    resolution = PUBLISHED_RESOLUTIONS[PUBLISHED_WIDTHS.index(width)]
    graph = lower(build_network(width, resolution, int8=int8))
    network = architecture(width, resolution)
    assert sum(graph.macs(layer) for layer in graph.layers) == network.macs
    assert parameters(graph) == network.parameters
    assert graph.is_integer is int8


def test_layer_names_are_the_papers_blocks() -> None:
    names = [layer.name for layer in lower(load_model("mobilenetv2-0.35-96")).layers]
    assert names[:6] == [
        "stem",
        "block1.depthwise",
        "block1.project",
        "block2.expand",
        "block2.depthwise",
        "block2.project",
    ]
    assert [x for x in names if x.endswith(".add")] == [
        f"block{i}.add" for i in (3, 5, 6, 8, 9, 10, 12, 13, 15, 16)
    ]
    assert names[-3:] == ["head", "pool", "classifier"]
    assert len(names) == 64


@pytest.mark.parametrize("name", ["mobilenetv2-0.35-96", "mobilenetv2-0.35-96-int8"])
def test_a_built_in_name_is_deterministic(name: str) -> None:
    a, b = lower(load_model(name)), lower(load_model(name))
    assert (a.name, a.source, a.sha256) == (b.name, b.source, b.sha256) == (name, name, a.sha256)
    for x, y in zip(a.layers, b.layers, strict=True):
        if isinstance(x, Conv2D | DepthwiseConv2D):
            assert isinstance(y, Conv2D | DepthwiseConv2D)
            assert x.weight.tobytes() == y.weight.tobytes()
            assert x.bias.tobytes() == y.bias.tobytes()


def test_weights_are_pinned() -> None:
    """A change of the generator changes every built-in network and every tuning log: say so."""
    layers = seeded_layers(architecture(0.35, 96), 0)
    total = sum(int(layer.integers.astype(np.int64).sum()) for layer in layers)
    scales = np.concatenate([layer.scale for layer in layers]).astype(np.float64)
    assert (len(layers), total) == PINNED_INTEGERS
    assert float(scales.sum()) == PINNED_SCALES


def test_another_seed_gives_another_network_and_hash() -> None:
    a, b = build_network(0.35, 96), build_network(0.35, 96, seed=1)
    assert a.sha256 != b.sha256
    first = [lower(x).layers[0] for x in (a, b)]
    assert all(isinstance(x, Conv2D) for x in first)
    assert not np.array_equal(first[0].weight, first[1].weight)  # type: ignore[attr-defined]


def test_the_int8_network_is_the_float_one_quantised() -> None:
    """Logits of both forms correlate over random images, and neither saturates nor is constant."""
    integer = lower(load_model("mobilenetv2-0.35-96-int8"))
    real = lower(load_model("mobilenetv2-0.35-96"))
    random = np.random.default_rng(5)
    # A random image of random brightness and contrast in every channel.
    noise = random.normal(0, 1, (3, 96, 96, 3)) * random.uniform(10, 60, (3, 1, 1, 3))
    images = np.clip(noise + random.uniform(-60, 60, (3, 1, 1, 3)), -128, 127).astype(np.int8)
    floats = ((images.astype(np.float32) - INPUT.zero_point) * np.float32(INPUT.scale)).astype(
        np.float32
    )
    stored = run(integer, images)["classifier"].reshape(3, -1)
    logits = run(real, floats)["classifier"].reshape(3, -1)
    for ours, expected in zip(stored, logits, strict=True):
        assert np.corrcoef(ours, expected)[0, 1] > 0.97
        assert np.mean((ours == -128) | (ours == 127)) < 0.01
        assert ours.std() > 10
    assert np.abs(stored[0].astype(int) - stored[1]).max() > 10


@pytest.mark.parametrize("int8", [False, True])
def test_classes_channels_and_expansion_are_free(int8: bool) -> None:
    model = build_network(0.5, 64, 7, 1, 3, int8=int8)
    graph = lower(model)
    assert graph.tensors["input"].shape == (64, 64, 1)
    assert graph.tensors["classifier"].shape == (1, 1, 7)
    assert graph.tensors["block2.expand"].channels == 3 * graph.tensors["block1.project"].channels
    assert model.outputs[0].shape == (1, 7)


def test_multipliers_are_one_per_channel() -> None:
    graph = lower(load_model("mobilenetv2-0.35-96-int8"))
    for layer in graph.layers:
        if isinstance(layer, Conv2D | DepthwiseConv2D):
            assert layer.requantize is not None
            assert len(set(layer.requantize.multiplier.tolist())) > 1
            assert layer.weight.dtype == np.int8 and int(layer.weight.min()) >= -127


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mobilenetv2-0.35-96", (0.35, 96, False)),
        ("mobilenetv2-1.0-224-int8", (1.0, 224, True)),
        ("mobilenetv2-1-144-int8", (1.0, 144, True)),
        ("mobilenetv2-1.0", None),
        ("mobilenetv2-1.0-224-int4", None),
    ],
)
def test_names_are_parsed(name: str, expected: tuple[float, int, bool] | None) -> None:
    assert parse_built_in(name) == expected


@pytest.mark.slow
@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("resolution", PUBLISHED_RESOLUTIONS)
@pytest.mark.parametrize("width", PUBLISHED_WIDTHS)
def test_every_published_network_lowers(width: float, resolution: int, int8: bool) -> None:
    graph = lower(load_model(f"mobilenetv2-{width}-{resolution}{'-int8' if int8 else ''}"))
    network = architecture(width, resolution)
    assert sum(graph.macs(layer) for layer in graph.layers) == network.macs
    assert parameters(graph) == network.parameters
