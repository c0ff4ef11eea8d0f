"""The built-in int8 detector and segmenter: every output, byte for byte, on every kind of target.

What their firmware decodes on Cortex-M is in `tests/firmware/test_answers.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.check.pictures import decoded, task_records
from edgemnv2.lab.canvas_scores import box_scores, mask_iou
from edgemnv2.ops.execute import by_source, run
from edgemnv2.ops.graph import Graph
from edgemnv2.pipeline import compile_graph, lower_source
from edgemnv2.runners import make_runner
from edgemnv2.runtime.vision.decode import Answer, decode
from edgemnv2.samples.canvases import heldout_canvases
from edgemnv2.samples.digit_samples import heldout_samples
from edgemnv2.target import load_target

NETWORKS = ("digits-detector-int8", "digits-segmenter-int8")
# target, runner, canvases
PLACES = (
    ("host", "local", 40),
    ("rpi4", "qemu-user", 8),
    ("mps2-an500", "qemu-system", 2),
    ("mps3-an547", "qemu-system", 2),
)
MOST = 40
"""Canvases, the first held-out ones."""


@cache
def reference(network: str) -> tuple[Graph, Any, tuple[Mapping[str, Any], ...]]:
    """The network, canvases as its input `[N, H, W, C]`, and for each what the outputs must be."""
    graph = lower_source(network)
    x = heldout_samples(network, graph.tensors[graph.inputs[0]], "raw", limit=MOST).x
    return graph, x, tuple(by_source(graph, run(graph, one[None], keep=False)) for one in x)


def assert_same_answer(found: Answer, wanted: Answer) -> None:
    assert found.kind == wanted.kind and found.detections == wanted.detections
    if wanted.mask is not None:
        assert found.mask is not None and found.mask.tobytes() == wanted.mask.tobytes()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.slow(ci=True)
@pytest.mark.parametrize(("target", "runner", "count"), PLACES)
def test_every_output_is_the_same_bytes(
    target: str,
    runner: str,
    count: int,
    network: str,
    tmp_path: Path,
    require_runner: Callable[[str], None],
) -> None:
    require_runner(target)
    graph, x, expected = reference(network)
    artifact = compile_graph(graph, load_target(target), tmp_path / "net")
    made = make_runner(runner).run(artifact, list(x[:count])).results
    assert len(made) == count
    for found, wanted in zip(made, expected[:count], strict=True):
        assert sorted(found) == sorted(wanted)
        for name, array in wanted.items():
            assert found[name].dtype == array.dtype and array.dtype.kind in "iu", name
            assert found[name].tobytes() == array.tobytes(), name
        stored = {name: found[name].reshape(array.shape) for name, array in wanted.items()}
        task, records = task_records(artifact)
        assert_same_answer(decoded(artifact, stored, 0), decode(task, records, wanted))


@pytest.mark.parametrize("network", NETWORKS)
def test_what_is_compared_are_answers(network: str) -> None:
    """Of outputs that find nothing, the same bytes would say little."""
    from edgemnv2.lab.canvas_results import answers_of

    graph, _, _ = reference(network)
    answers, canvases = answers_of(graph, MOST), heldout_canvases(MOST)
    if network.startswith("digits-detector"):
        assert box_scores([x.detections for x in answers], canvases)[2] > 0.7
    else:
        assert mask_iou([x.mask for x in answers if x.mask is not None], canvases)[0] > 0.4
