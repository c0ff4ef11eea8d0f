"""Real models: integer ones byte-identical to LiteRT's reference kernels, float ones close to
onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.samples.images import Samples, load_images, random_inputs, to_nhwc, to_source

INTEGER_MODELS = {
    "tf2_mobilenet_v2_1.0_224_ptq.tflite": "raw",
    "coral_mobilenet_v2_1.0_224_quant.tflite": "raw",
    "tflm_pytorch_mobilenet_v2_quantized_1x3x224x224.tflite": "torchvision",
    "fomo_face_detection.tflite": None,
    "ei_mask-tflite.tflite": None,
}
FLOAT_MODELS = {
    "mobilenet_v2_torchvision.onnx": "torchvision",
    "st_mobilenet_v2_0.35_128_tfs_channel_first.onnx": None,
}
FLOAT_TOLERANCE = 2e-4
"""On logits of magnitude 10: the order of summation."""


def samples_of(graph: Graph, preset: str | None, images: Path, count: int) -> Samples:
    tensor = graph.tensors[graph.inputs[0]]
    if preset is None:
        return random_inputs(tensor, count, seed=1)
    return load_images(images, tensor, preset, limit=count)


def litert_outputs(path: Path, graph: Graph, x: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    target = interpreter.get_output_details()[0]["index"]
    outputs = []
    for sample in x:
        interpreter.set_tensor(source, to_source(sample[np.newaxis], graph.input_specs[0]))
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(target))
    return to_nhwc(np.concatenate(outputs), graph.output_specs[0])


def check_integer(shared_data: Path, name: str, count: int) -> None:
    path = shared_data / "models" / name
    graph = lower(load_model(path))
    assert graph.is_integer
    x = samples_of(graph, INTEGER_MODELS[name], shared_data / "imagenet224", count).x
    ours = run(graph, x, keep=False)[graph.outputs[0]]
    theirs = litert_outputs(path, graph, x)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)
    assert len(np.unique(theirs)) > 2  # saturated outputs would prove nothing


@pytest.mark.parametrize("name", INTEGER_MODELS)
def test_integer_models_equal_litert_reference_kernels(name, shared_data, require_module):
    require_module("ai_edge_litert.interpreter")
    check_integer(shared_data, name, 4 if INTEGER_MODELS[name] else 50)


@pytest.mark.slow
@pytest.mark.parametrize("name", INTEGER_MODELS)
def test_integer_models_equal_litert_over_50_images(name, shared_data, require_module):
    require_module("ai_edge_litert.interpreter")
    check_integer(shared_data, name, 50)


@pytest.mark.parametrize("name", FLOAT_MODELS)
def test_float_models_agree_with_onnxruntime(name, shared_data, require_module):
    require_module("onnxruntime")
    import onnxruntime

    path = shared_data / "models" / name
    graph = lower(load_model(path))
    x = samples_of(graph, FLOAT_MODELS[name], shared_data / "imagenet224", 8).x
    ours = run(graph, x, keep=False)[graph.outputs[0]]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    theirs = np.concatenate(
        [
            session.run(
                None, {graph.input_specs[0].name: to_source(sample[None], graph.input_specs[0])}
            )[0]
            for sample in x
        ]
    )
    theirs = to_nhwc(theirs, graph.output_specs[0])
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=FLOAT_TOLERANCE)
    assert (ours.argmax(-1) == theirs.argmax(-1)).all()
