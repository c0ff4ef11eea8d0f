"""Segmenters and grids as the field writes them: LiteRT's maps, integers to the bit.

Their weights are seeded, their files written here (`tests/networks/segmentation_net.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.meaning.infer import task_of
from edgemnv2.ops.arg_max.layer import ArgMax
from edgemnv2.ops.execute import by_source, run
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_graph
from edgemnv2.runners import runner_for
from edgemnv2.target import load_target
from edgemnv2.task import Said
from tests.networks.compiled import PLACES
from tests.networks.field_check import PICTURES, assert_litert, litert_outputs, pictures, stored
from tests.networks.field_net import FieldNet
from tests.networks.segmentation_net import deeplab, fomo, unet

BUILD = {"deeplab": deeplab, "fomo": fomo, "unet": unet}


@dataclass(frozen=True)
class Kind:
    """One kind of network; `net` are arguments of its builder, `file` of its file."""

    network: str
    dtype: str
    size: int = 97
    net: dict[str, Any] = field(default_factory=dict)
    file: dict[str, Any] = field(default_factory=dict)
    open_batch: bool = False

    @property
    def channels(self) -> int:
        return int(self.net.get("channels", 3))


ASPP = {"rates": (2, 4, 6), "stride": 8, "align": False, "pooling": "MEAN"}
ONE = {"classes": 1, "sigmoid": True}
KINDS = {
    "deeplab float": Kind("deeplab", "float32"),
    "deeplab uint8": Kind("deeplab", "uint8"),
    "deeplab int8": Kind("deeplab", "int8", file={"bytes_in": True}),
    "deeplab int8, int32": Kind("deeplab", "int8", net={"ending": "int32"}),
    "deeplab float, ASPP": Kind("deeplab", "float32", net={**ASPP, "ending": "int32"}),
    "deeplab uint8, ASPP": Kind("deeplab", "uint8", net=ASPP),
    "deeplab int8, ASPP": Kind("deeplab", "int8", net={**ASPP, "ending": "scores"}),
    "deeplab float16": Kind("deeplab", "float32", file={"half": True}),
    "deeplab, pixels made inside": Kind(
        "deeplab", "float32", net={"preprocess": True, "ending": "scores"}
    ),
    "u-net float": Kind("unet", "float32", 96, open_batch=True),
    "u-net uint8": Kind("unet", "uint8", 96),
    "u-net int8": Kind("unet", "int8", 96, file={"bytes_in": True}, open_batch=True),
    "u-net of two classes": Kind("unet", "int8", 64, net={"classes": 2}),
    "u-net of one class, float": Kind("unet", "float32", 96, net=ONE, open_batch=True),
    "u-net of one class, uint8": Kind("unet", "uint8", 96, net=ONE),
    "u-net of one class, int8": Kind("unet", "int8", 64, net=ONE),
    "u-net of one class, scores": Kind("unet", "int8", 64, net={"classes": 1}),
    "fomo float": Kind("fomo", "float32", 96),
    "fomo int8": Kind("fomo", "int8", 96, net={"classes": 2}),
    "fomo int8, grey": Kind("fomo", "int8", 160, net={"channels": 1, "classes": 5}),
    "fomo uint8": Kind("fomo", "uint8", 48),
}
LARGE = {
    "deeplab int8 of 513": Kind("deeplab", "int8", 513),
    "deeplab float of 513": Kind("deeplab", "float32", 513, net={"ending": "scores"}),
    "deeplab uint8 of 257": Kind("deeplab", "uint8", 257, net=ASPP),
    "u-net of 224": Kind("unet", "int8", 224, net={"width": 0.5}),
}
FEW = 2
"""Pictures of large ones, and of what is compiled."""


def samples(kind: str, count: int) -> list[Any]:
    """Real pixels, as the network takes them."""
    one = {**KINDS, **LARGE}[kind]
    real = pictures(one.size, one.channels)[:: PICTURES // count][:count]
    return [(x + 1) * np.float32(127.5) for x in real] if "preprocess" in one.net else real


@cache
def made(kind: str) -> bytes:
    one = {**KINDS, **LARGE}[kind]
    net = FieldNet(1, one.open_batch)
    BUILD[one.network](net, one.size, **one.net)
    if one.dtype == "float32":
        return net.float_file(**one.file)
    return net.quantised_file(one.dtype, samples(kind, 3), **one.file)


def read(kind: str, folder: Path) -> Graph:
    path = folder / "segmenter.tflite"
    path.write_bytes(made(kind))
    return lower(load_model(path))


def _scores(graph: Graph, values: Mapping[str, Any]) -> Any:
    """What the classes of a float network's map are chosen by; None where integers choose."""
    chosen = [x.inputs[0] for x in graph.layers if isinstance(x, ArgMax)]
    floats = [values[x] for x in chosen if values[x].dtype == np.float32]
    return floats[0] if floats else None


def compare(kind: str, folder: Path, count: int) -> None:
    graph = read(kind, folder)
    given = [stored(x, graph.input_specs[0]) for x in samples(kind, count)]
    for x, theirs in zip(given, litert_outputs(made(kind), given), strict=True):
        values = run(graph, x)
        assert_litert(by_source(graph, values), graph.output_specs, theirs, _scores(graph, values))
        # A map of one value alone would say little.
        assert np.unique(theirs[0]).size > 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_gives_litert_s_map(
    kind: str, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("ai_edge_litert")
    compare(kind, tmp_path, PICTURES)


@pytest.mark.slow(ci=True)
@pytest.mark.parametrize("kind", LARGE)
def test_large_ones_too(kind: str, tmp_path: Path, require_module: Callable[[str], None]) -> None:
    require_module("ai_edge_litert")
    compare(kind, tmp_path, FEW)


@pytest.mark.parametrize("kind", KINDS)
def test_the_task_is_known(
    kind: str, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("ai_edge_litert")
    one = KINDS[kind]
    graph = read(kind, tmp_path)
    alone = one.net.get("classes") == 1
    if alone and "sigmoid" not in one.net:
        # It may be a depth as well.
        assert task_of(graph).kind == "unknown"
    task = task_of(graph, Said(kind="segmenter") if alone else None)
    usual = 21 if one.network == "deeplab" else 3
    assert task.kind == ("grid" if one.network == "fomo" else "segmenter")
    assert task.classes == (2 if alone else one.net.get("classes", usual))
    assert ("foreground" in task.roles) == alone
    assert task.pixels is not None or one.dtype == "float32"


@pytest.mark.parametrize("target", PLACES)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("deeplab int8, ASPP", marks=pytest.mark.slow),
        pytest.param("u-net int8", marks=pytest.mark.slow(ci=True)),
        pytest.param("fomo int8, grey", marks=pytest.mark.slow(ci=True)),
    ],
)
def test_artefacts_give_litert_s_map(
    kind: str,
    target: str,
    tmp_path: Path,
    require_runner: Callable[[str], None],
    require_module: Callable[[str], None],
) -> None:
    require_module("ai_edge_litert")
    require_runner(target)
    graph = read(kind, tmp_path)
    given = [stored(x, graph.input_specs[0]) for x in samples(kind, FEW)]
    artifact = compile_graph(graph, load_target(target), tmp_path / "net")
    found = runner_for(artifact).run(artifact, given).results
    for ours, theirs in zip(found, litert_outputs(made(kind), given), strict=True):
        assert_litert(ours, graph.output_specs, theirs)
