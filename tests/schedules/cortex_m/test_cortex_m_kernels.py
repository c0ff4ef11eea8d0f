"""Every kernel of the Cortex-M families gives TFLite's bytes, on every core and on this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.ops.convolution.layer import DepthwiseConv2D
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules import dsp, mve
from tests.schedules.cortex_m.cortex_m_harness import (
    BOARDS,
    Board,
    Network,
    build,
    kernels_of,
    mismatches,
    program,
    rounded_to_even,
    run,
)
from tests.usual import usual


def blocks() -> Network:
    """A stem, two inverted residuals with a residual add; every tensor divides evenly."""
    net = Network(1, 9, 12, 3)
    net.convolution(16, 3, 2, relu=True).convolution(0, 3, depthwise=True, relu=True)
    net.convolution(8)
    start = net.current
    net.convolution(48, relu=True).convolution(0, 3, depthwise=True, relu=True)
    net.convolution(8).add(start)
    net.convolution(20, relu=True, zero_point=-20)
    net.convolution(0, 3, 2, depthwise=True, zero_point=-10).convolution(7)
    return net


def irregular() -> Network:
    """Odd channels, torch's padding, narrow clamps, long requantisation, a dead channel."""
    net = Network(2, 10, 7, 1)
    net.convolution(10, 3, 2, padding="1", relu=True)
    net.convolution(0, 3, padding="1", depthwise=True, relu=True, clamp=(-128, 90))
    net.convolution(3, dead=1).convolution(17, relu=True)
    net.convolution(0, 3, 2, padding="1", depthwise=True, relu=True)
    net.convolution(6, clamp=(-60, 70)).convolution(40)
    net.convolution(0, 3, depthwise=True).convolution(33, gain=40)
    return net.convolution(34, weight_limit=90)


def narrow(width: int) -> Network:
    """Rows of `width` pixels through every kind of layer."""
    net = Network(3 + width, 3, width, 5)
    net.convolution(9, relu=True, spread=40).convolution(0, 3, depthwise=True, relu=True)
    net.convolution(36, relu=True).convolution(12, relu=True)
    net.convolution(0, 3, 2, padding="1", depthwise=True, relu=True).convolution(5)
    net.convolution(12, relu=True).convolution(0, 3, 2, depthwise=True, relu=True)
    start = net.convolution(5).current
    net.convolution(5).add(start, (0.04, 0.04, 0.05)).add(start, (0.01, 0.3, 0.4))
    net.convolution(6, 3)
    return net.convolution(11, 5, weight_dtype="int16", weight_limit=255)


def trained() -> Network:
    """What files from the wild have: a uint8 image, nearly dead channels, weights of uint8 models,
    ReLU6 that does not end at the type's limits.
    """
    net = Network(9, 8, 9, 3, zero_point=127, dtype="uint8")
    net.convolution(10, 3, 2, relu=True, nearly_dead=(1, 4, 7))
    net.convolution(0, 3, depthwise=True, relu=True, zero_point=-13, nearly_dead=(0, 2))
    net.convolution(6, nearly_dead=(3,)).convolution(12, relu=True, clamp=(-128, 100))
    net.convolution(
        0, 3, 2, depthwise=True, relu=True, weight_dtype="int16", weight_limit=200, zero_point=-100
    )
    return net.convolution(7, weight_dtype="int16", weight_limit=230)


def shifted() -> Network:
    """Weights of uint8 files whose zero point is not 128: bytes, and what was taken off them."""
    net = Network(11, 6, 7, 3, zero_point=-3)
    net.convolution(21, 3, relu=True, weight_shift=70, weight_limit=120)
    net.convolution(45, relu=True, weight_shift=-60, dead=2)
    net.convolution(0, 3, depthwise=True, relu=True, clamp=(-128, 90))
    net.convolution(35, weight_shift=100, weight_limit=100)
    return net.convolution(12, weight_shift=33).convolution(44, weight_shift=-9)


def long_sums() -> Network:
    """So many channels that their activations have more than four sums; the last are one pixel."""
    net = Network(12, 1, 2, 1203, zero_point=-128)
    net.convolution(37, weight_shift=90, weight_limit=100, gain=0.5)
    return net.convolution(33, weight_shift=-120, weight_limit=100)


NETWORKS: dict[str, Callable[[], Network]] = {
    "blocks": blocks,
    "irregular": irregular,
    "trained": trained,
    "shifted": shifted,
    "long_sums": long_sums,
    **{f"width_{w}": lambda w=w: narrow(w) for w in (1, 2, 3, 5, 7, 9)},
}
FAMILIES = {"dsp": dsp, "mve": mve}
PLACES = [
    *((family, "host", "-O2", False) for family in FAMILIES),
    ("dsp", "m0plus", "-O2", True),
    ("dsp", "m3", "-O2", False),
    ("dsp", "m4", "-O2", False),
    ("dsp", "m4", "-O2", True),
    ("dsp", "m7", "-O3", True),
    ("mve", "m55", "-O2", False),
]


def check(
    family: Any,
    board: Board,
    optimise: str,
    network: Network,
    folder: Path,
    decisions: dict[str, Any] | None = None,
    fuse: bool = False,
    rounding: str = "tflite",
) -> dict[str, RowKernel]:
    """Builds and runs `network`; its kernels, once no byte of any layer differs."""
    graph = network.graph()
    if rounding != "tflite":
        graph = rounded_to_even(graph, rounding)
    layouts, kernels = kernels_of(family, graph, decisions, fuse)
    built = build(board, program(graph, layouts, kernels), folder, optimise)
    assert mismatches(run(board, built)) == [0] * len(kernels)
    return kernels


@pytest.fixture
def board(require_tool: Callable[[str], str]) -> Callable[[str], Board]:
    """A board by name, once its tools are there."""

    def find(name: str) -> Board:
        for tool in BOARDS[name].tools:
            require_tool(tool)
        return BOARDS[name]

    return find


@pytest.mark.parametrize("network", usual(NETWORKS, ("blocks", "irregular", "width_2", "width_9")))
@pytest.mark.parametrize(("family", "place", "optimise", "fuse"), PLACES)
def test_every_layer_gives_tflites_bytes(
    family: str,
    place: str,
    optimise: str,
    fuse: bool,
    network: str,
    tmp_path: Path,
    board: Callable[[str], Board],
) -> None:
    check(FAMILIES[family], board(place), optimise, NETWORKS[network](), tmp_path, fuse=fuse)


@pytest.mark.parametrize(
    "rounding",
    [
        *(pytest.param(x, marks=pytest.mark.slow(ci=True)) for x in ("even", "fractions")),
        "halves",
    ],
)
@pytest.mark.parametrize(
    "network", usual(("blocks", "irregular", "trained", "width_1", "width_7"), ("irregular",))
)
@pytest.mark.parametrize(("family", "place", "optimise", "fuse"), PLACES)
def test_every_layer_rounds_once_to_even(
    family: str,
    place: str,
    optimise: str,
    fuse: bool,
    network: str,
    rounding: str,
    tmp_path: Path,
    board: Callable[[str], Board],
) -> None:
    made = NETWORKS[network]()
    kept = {
        # int16 weights leave no room for fractions, and go by tiles: plain TIR computes those;
        # and halves among sums that are too large for their scale.
        ("trained", "fractions"): 4,
        ("trained", "halves"): 1,
        ("width_1", "halves"): -1,
        ("width_7", "halves"): -1,
    }
    if (network, rounding) in kept:
        del made.layers[kept[network, rounding] :]
        made.current = made.layers[-1].output
    check(FAMILIES[family], board(place), optimise, made, tmp_path, None, fuse, rounding)


@pytest.mark.parametrize("place", usual(("host", "m7"), ("m7",)))
@pytest.mark.parametrize("network", [blocks, shifted])
@pytest.mark.parametrize("weights", ["BYTES", "HALVES", "QUADS"])
def test_every_weight_layout_gives_the_same_bytes(
    weights: str,
    network: Callable[[], Network],
    place: str,
    tmp_path: Path,
    board: Callable[[str], Board],
) -> None:
    kernels = check(dsp, board(place), "-O2", network(), tmp_path, {"weights": weights})
    assert {k.decisions["weights"] for k in kernels.values() if "weights" in k.decisions} == {
        weights
    }


@pytest.mark.parametrize(("family", "place"), [("dsp", "m7"), ("mve", "m55"), ("dsp", "host")])
def test_dense_layer_of_heavy_weights_that_rounds_once(
    family: str, place: str, tmp_path: Path, board: Callable[[str], Board]
) -> None:
    """Sums beyond 2**23 leave less room for the scale; LiteRT's FULLY_CONNECTED rounds once."""
    network = Network(5, 1, 1, 1300, zero_point=-128)
    network.convolution(35, heavy=True, single_rounding=True).convolution(18, single_rounding=True)
    check(FAMILIES[family], board(place), "-O2", network, tmp_path)


def test_fused_kernels_cover_the_depthwise_layer() -> None:
    graph = blocks().graph()
    _, kernels = kernels_of(dsp, graph, fuse=True)
    depthwise = {x.name for x in graph.layers if isinstance(x, DepthwiseConv2D)}
    assert {name for kernel in kernels.values() for name in kernel.fuses} == depthwise


def test_layers_with_a_common_shift_get_the_kernels_that_have_it_in_their_code() -> None:
    found = set()
    for network in (blocks(), irregular()):
        _, kernels = kernels_of(dsp, network.graph(), fuse=True)
        found |= {word for k in kernels.values() for word in str(k.code.function).split('"')}
    used = {name for name in found if name.endswith(("_COMMON", "_COMMON_ROWS"))}
    assert {name.split("_")[1] for name in used} == {"tile", "window"}


def test_kernels_use_the_extension_and_no_library(
    board: Callable[[str], Board], tmp_path: Path
) -> None:
    graph = blocks().graph()
    layouts, kernels = kernels_of(dsp, graph, fuse=True)
    build(board("m7"), program(graph, layouts, kernels), tmp_path, "-O2")
    listing = subprocess.run(
        ["arm-none-eabi-objdump", "-d", str(tmp_path / "kernels.o")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert listing.count("smlad") > 100 and "smmla" in listing
    undefined = subprocess.run(
        ["arm-none-eabi-nm", "-u", str(tmp_path / "kernels.o")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert set(undefined) - {"U"} <= {"memcpy", "memset", "put_text"}
