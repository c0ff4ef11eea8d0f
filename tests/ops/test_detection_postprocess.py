"""Detections: LiteRT's boxes, classes, scores and count, of every type, ties included."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.frontend import load_model
from edgemnv2.ops.detection_postprocess.layer import COUNT, DetectionPostprocess
from edgemnv2.ops.detection_postprocess.reference import partial_order
from edgemnv2.ops.execute import by_source, run, run_layer
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_graph
from edgemnv2.runners import make_runner
from edgemnv2.samples.images import to_nhwc
from edgemnv2.target import load_target
from tests.networks.detection_net import OPERATOR, Detector, detection_options, random_detector
from tests.networks.tflite_net import TfliteNet
from tests.ops.kernel_runner import build, single

TOLERANCE = 1e-5
"""Of a box's corner: another exponential."""
TYPES = ("float32", "uint8", "int8")
PLACES = (
    ("host", "local", ()),
    ("rpi4", "qemu-user", ("qemu-aarch64",)),
    ("mps2-an500", "qemu-system", ("qemu-system-arm", "arm-none-eabi-gcc")),
    ("mps3-an547", "qemu-system", ("qemu-system-arm", "arm-none-eabi-gcc")),
)


def lowered(detector: Detector, folder: Path) -> Graph:
    path = folder / "detector.tflite"
    path.write_bytes(detector.blob())
    return lower(load_model(path))


def inputs_of(detector: Detector, graph: Graph) -> dict[str, Any]:
    arrays = (detector.boxes, detector.scores)
    specs = graph.input_specs
    return {spec.name: to_nhwc(x, spec) for spec, x in zip(specs, arrays, strict=True)}


def litert_outputs(detector: Detector) -> list[Any]:
    """Boxes, classes, scores, count."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=detector.blob(),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()
    for detail, array in zip(details, (detector.boxes, detector.scores), strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return [interpreter.get_tensor(x["index"]).copy() for x in interpreter.get_output_details()]


def assert_equal_to_litert(
    detector: Detector, graph: Graph, found: Mapping[str, Any], theirs: list[Any]
) -> None:
    ours = [
        found[spec.name].reshape(x.shape)
        for spec, x in zip(graph.output_specs, theirs, strict=True)
    ]
    boxes, classes, scores, count = range(4)
    np.testing.assert_array_equal(ours[count], theirs[count])
    told = detector.told(int(theirs[count][0]))
    np.testing.assert_array_equal(ours[classes][0, told], theirs[classes][0, told])
    np.testing.assert_array_equal(ours[scores][0, told], theirs[scores][0, told])
    np.testing.assert_allclose(ours[boxes][0, told], theirs[boxes][0, told], rtol=0, atol=TOLERANCE)
    assert not any(ours[i][0, ~told].any() for i in (boxes, classes, scores))


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("dtype", TYPES)
def test_detections_equal_litert(
    dtype: str, seed: int, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("ai_edge_litert")
    detector = random_detector(seed, dtype)
    graph = lowered(detector, tmp_path)
    found = by_source(graph, run(graph, inputs_of(detector, graph)))
    assert_equal_to_litert(detector, graph, found, litert_outputs(detector))


def test_the_detectors_hold_every_case() -> None:
    """Of 120, each of these often: else the comparison says little."""
    made = [random_detector(seed, dtype) for dtype in TYPES for seed in range(40)]
    regular = [x for x in made if x.options.get("use_regular_nms")]
    several = [x for x in made if x.options["max_classes_per_detection"] > 1]
    background = [x for x in made if x.scores.shape[2] > x.options["num_classes"]]
    assert min(map(len, (regular, several, background))) > 20
    assert len(regular) < 100 and len(background) < 100


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.usefixtures("c_compiler")
def test_kernels_give_the_reference_to_the_bit(dtype: str, tmp_path: Path) -> None:
    graphs, inputs = [], []
    for seed in range(6):
        detector = random_detector(seed, dtype)
        graph = lowered(detector, tmp_path)
        values = run(graph, inputs_of(detector, graph))
        (layer,) = (x for x in graph.layers if isinstance(x, DetectionPostprocess))
        graphs.append(single(graph, layer))
        inputs.append([values[name] for name in graphs[-1].inputs])
    for built, given in zip(build(graphs, tmp_path), inputs, strict=True):
        (layer,) = built.graph.layers
        wanted = run_layer(built.graph, layer, given)[0]
        np.testing.assert_array_equal(built.run([x[0] for x in given]), wanted)


@pytest.mark.parametrize(("target", "runner", "tools"), PLACES, ids=lambda x: str(x))
@pytest.mark.parametrize("dtype", TYPES)
def test_every_target_gives_the_same_bytes(
    dtype: str,
    target: str,
    runner: str,
    tools: tuple[str, ...],
    tmp_path: Path,
    require_tool: Callable[[str], str],
) -> None:
    for tool in tools:
        require_tool(tool)
    # One of each way of suppression.
    detector = random_detector({"float32": 3, "uint8": 2, "int8": 5}[dtype], dtype)
    graph = lowered(detector, tmp_path)
    given = inputs_of(detector, graph)
    wanted = by_source(graph, run(graph, given))
    artifact = compile_graph(graph, load_target(target), tmp_path / "net")
    (found,) = make_runner(runner).run(artifact, [given]).results
    for name, values in wanted.items():
        assert found[name].tobytes() == values.tobytes(), name


def test_integers_are_read_as_they_are_stored(tmp_path: Path) -> None:
    """No map of floats is made of what DEQUANTIZE would make one of."""
    graph = lowered(random_detector(4, "int8"), tmp_path)
    assert {"dequantize", "quantize"}.isdisjoint(layer.op for layer in graph.layers)
    assert [graph.tensors[name].dtype for name in graph.layers[0].inputs] == ["int8", "int8"]


def test_floats_that_are_an_output_too_are_made_all_the_same(tmp_path: Path) -> None:
    detector = random_detector(4, "int8")
    net = TfliteNet()
    stored = [net.tensor(x.shape, "int8", 0.1, 0) for x in (detector.boxes, detector.scores)]
    real = [net.tensor(x.shape) for x in (detector.boxes, detector.scores)]
    for source, target in zip(stored, real, strict=True):
        net.add("DEQUANTIZE", [source], [target])
    anchors, outputs = net.constant(detector.anchors), [net.tensor(()) for _ in range(4)]
    options = detection_options(**detector.options)
    net.add(OPERATOR, [*real, anchors], outputs, data=options)
    (tmp_path / "both.tflite").write_bytes(net.build(stored, [*outputs, real[1]]))
    graph = lower(load_model(tmp_path / "both.tflite"))
    assert [layer.op for layer in graph.layers].count("dequantize") == 1


def test_the_header_names_the_scratch(tmp_path: Path) -> None:
    detector = random_detector(2, "uint8")
    graph = lowered(detector, tmp_path)
    artifact = compile_graph(graph, load_target("host"), tmp_path / "net")
    (name,) = (x.name for x in graph.layers if isinstance(x, DetectionPostprocess))
    (kernel,) = (x for x in artifact.manifest.kernels if x.name == name)
    (header,) = (tmp_path / "net" / "include").glob("*.h")
    wanted = f"{name.upper()}_SCRATCH_BYTES {kernel.scratch_bytes}\n"
    assert wanted in header.read_text() and kernel.scratch_bytes > 0
    # A word a box, and for each class's own suppression a few boxes: not N * classes floats.
    assert kernel.scratch_bytes <= 4 * detector.anchors.shape[0] + 24 * 12 + 4 * 8
    assert artifact.manifest.arena_bytes >= kernel.scratch_bytes


@pytest.mark.parametrize("threshold", [0, 1, 77, 254, 255, 256])
@pytest.mark.usefixtures("c_compiler")
def test_a_stored_score_passes_where_the_real_one_does(threshold: int, tmp_path: Path) -> None:
    """On the threshold itself, a step below, a step above."""
    detector = random_detector(2, "uint8")
    count = 6
    scores = np.array([0, 1, 76, 77, 254, 255], np.uint8).reshape(1, count, 1)
    places = np.arange(count)[:, np.newaxis] / np.float32(count)
    anchors = np.concatenate([places, places, np.full((count, 2), 0.05)], axis=1)
    options = {**detector.options, "num_classes": 1, "max_detections": count}
    options |= {"nms_score_threshold": threshold / 256, "max_classes_per_detection": 1}
    options |= {"use_regular_nms": False}
    detector = replace(
        detector,
        options=options,
        scores=scores,
        anchors=anchors.astype(np.float32),
        boxes=np.full((1, count, 4), 128, np.uint8),
    )
    graph = lowered(detector, tmp_path)
    given = inputs_of(detector, graph)
    values = run(graph, given)
    (layer,) = (x for x in graph.layers if isinstance(x, DetectionPostprocess))
    (built,) = build([single(graph, layer)], tmp_path)
    out = built.run([values[name][0] for name in built.graph.inputs])
    assert out[0, 0, COUNT] == (scores >= threshold).sum()
    np.testing.assert_array_equal(out, values[layer.output][0])


def test_partial_order_is_a_sort_where_no_two_are_equal() -> None:
    for size in range(1, 7):
        for values in itertools.permutations(range(size)):
            wanted = sorted(range(size), key=lambda i: -values[i])
            for count in range(size + 1):
                assert partial_order(values, count) == wanted[:count]


def changed(**options: Any) -> Detector:
    detector = random_detector(0)
    return replace(detector, options={**detector.options, **options})


REFUSED = {
    "above 0": changed(max_detections=0),
    "0.0": changed(nms_iou_threshold=0.0),
    "1.5": changed(nms_iou_threshold=1.5),
    "num_classes": changed(num_classes=30),
    "scales": changed(x_scale=0.0),
    "no size": replace(changed(), anchors=-changed().anchors),
    "anchors": replace(changed(), anchors=changed().anchors[:-1]),
}


@pytest.mark.parametrize("fact", REFUSED)
def test_what_litert_fails_on_is_refused(fact: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperator, match="TFLite_Detection_PostProcess"):
        lowered(REFUSED[fact], tmp_path)


def test_int8_itself_is_refused_as_litert_fails_on_it(tmp_path: Path) -> None:
    detector = random_detector(0, "int8")
    net = TfliteNet()
    inputs = [net.tensor(x.shape, "int8", 0.1, 0) for x in (detector.boxes, detector.scores)]
    anchors = net.constant(detector.anchors)
    outputs = [net.tensor(()) for _ in range(4)]
    options = detection_options(**detector.options)
    net.add(OPERATOR, [*inputs, anchors], outputs, data=options)
    (tmp_path / "int8.tflite").write_bytes(net.build(inputs, outputs))
    with pytest.raises(UnsupportedOperator, match=r"DEQUANTIZE.*LiteRT's kernel fails on int8"):
        load_model(tmp_path / "int8.tflite")
