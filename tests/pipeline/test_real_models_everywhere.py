"""The shared real models, compiled: their bytes against LiteRT's reference kernels, everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.check.verify import verify
from edgemnv2.frontend import load_model
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_graph
from edgemnv2.runners import make_runner
from edgemnv2.samples.images import load_images, random_inputs, to_source
from edgemnv2.samples.inputs import SampleChoice
from edgemnv2.target import load_target

INTEGER_MODELS = (
    "coral_mobilenet_v2_1.0_224_quant.tflite",
    "ei_mask-tflite.tflite",
    "fomo_face_detection.tflite",
    "tf2_mobilenet_v2_1.0_224_ptq.tflite",
    "tflm_pytorch_mobilenet_v2_quantized_1x3x224x224.tflite",
)
# target, runner, tools, images
PLACES = (
    ("host", "local", (), 50),
    ("rpi3", "qemu-user", ("qemu-aarch64",), 2),
    ("rpi3-32", "qemu-user", ("qemu-arm",), 2),
    ("rpi4", "qemu-user", ("qemu-aarch64",), 50),
    ("rpi5", "qemu-user", ("qemu-aarch64",), 2),
    ("mps2-an386", "qemu-system", ("qemu-system-arm", "arm-none-eabi-gcc"), 2),
    ("mps2-an500", "qemu-system", ("qemu-system-arm", "arm-none-eabi-gcc"), 2),
    ("mps3-an547", "qemu-system", ("qemu-system-arm", "arm-none-eabi-gcc"), 2),
    ("riscv32-virt", "qemu-system", ("qemu-system-riscv32", "riscv64-unknown-elf-gcc"), 1),
)


def inputs_of(graph: Graph, shared_data: Path, count: int) -> Any:
    """Real images where the network takes colours at 224, else random inputs; `[N, H, W, C]`."""
    tensor = graph.tensors[graph.inputs[0]]
    if tensor.channels == 3 and tensor.quant is not None:
        return load_images(shared_data / "imagenet224", tensor, "raw", limit=count).x
    return random_inputs(tensor, count, 3).x


def litert_outputs(model: Path, graph: Graph, x: Any) -> Any:
    """`[N, ...]` of LiteRT's reference kernels, one sample at a time."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(str(model), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    first, last = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    outputs = []
    for sample in to_source(x, graph.input_specs[0]):
        interpreter.set_tensor(first["index"], sample[None].reshape(first["shape"]))
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(last["index"]).copy())
    return np.concatenate(outputs)


def assert_equal_to_litert(
    model: Path, target: str, runner: str, shared_data: Path, folder: Path, count: int
) -> None:
    graph = lower(load_model(model))
    artifact = compile_graph(graph, load_target(target), folder)
    x = inputs_of(graph, shared_data, count)
    found = make_runner(runner).run(artifact, list(x)).outputs
    actual = to_source(np.concatenate(found), graph.output_specs[0])
    expected = litert_outputs(model, graph, x)
    assert actual.dtype == expected.dtype
    assert actual.reshape(expected.shape).tobytes() == expected.tobytes()


@pytest.mark.slow(ci=True)
@pytest.mark.parametrize("name", INTEGER_MODELS)
def test_integer_models_equal_litert_on_the_host(
    name: str, shared_data: Path, require_module: Callable[[str], None], tmp_path: Path
) -> None:
    require_module("ai_edge_litert")
    model = shared_data / "models" / name
    assert_equal_to_litert(model, "host", "local", shared_data, tmp_path / "art", 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", INTEGER_MODELS)
@pytest.mark.parametrize(("target", "runner", "tools", "count"), PLACES, ids=lambda x: str(x))
def test_integer_models_equal_litert_everywhere(
    name: str,
    target: str,
    runner: str,
    tools: tuple[str, ...],
    count: int,
    shared_data: Path,
    require_module: Callable[[str], None],
    require_tool: Callable[[str], str],
    tmp_path: Path,
) -> None:
    require_module("ai_edge_litert")
    for tool in tools:
        require_tool(tool)
    model = shared_data / "models" / name
    assert_equal_to_litert(model, target, runner, shared_data, tmp_path / "art", count)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "top1"),
    [("mobilenet_v2_torchvision.onnx", 82.6), ("tf2_mobilenet_v2_1.0_224_ptq.tflite", 87.2)],
)
def test_accuracy_over_500_images_on_the_host(
    name: str, top1: float, shared_data: Path, tmp_path: Path
) -> None:
    """Published: torchvision's float weights and TensorFlow's PTQ ones on the shared 500 images."""
    graph = lower(load_model(shared_data / "models" / name))
    artifact = compile_graph(graph, load_target("host"), tmp_path / "art")
    choice = SampleChoice(images=shared_data / "imagenet224", limit=500)
    result = verify(artifact, make_runner("local"), choice, graph)
    assert result.passed
    assert result.samples == 500
    assert result.top1 == pytest.approx(top1, abs=0.05)
    assert result.top1_agreement == 100.0
