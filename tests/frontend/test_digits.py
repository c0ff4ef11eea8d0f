"""The built-in `digits` model: small, plain, and right on digits it has never seen."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from edgemnv2.frontend.architecture import architecture
from edgemnv2.samples import digits

PLAIN = {"Conv", "Clip", "Add", "GlobalAveragePool", "Flatten", "Gemm"}
LEAST_ACCURACY = 0.97


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return onnx.load(digits.MODEL)


def shown() -> list[tuple[Path, int]]:
    with (digits.IMAGES / "labels.csv").open(newline="") as stream:
        return [
            (digits.IMAGES / row["file"], int(row["class_index"])) for row in csv.DictReader(stream)
        ]


def predict(images: np.ndarray) -> np.ndarray:
    """Classes by onnxruntime of images `[N, 32, 32]` of 0..255, one at a time."""
    import onnxruntime

    session = onnxruntime.InferenceSession(digits.MODEL, providers=["CPUExecutionProvider"])
    scaled = images[:, np.newaxis, np.newaxis].astype(np.float32) / np.float32(127.5) - 1
    return np.array([session.run(None, {"input": x})[0].argmax() for x in scaled])


def test_file_is_small_and_of_the_promised_opset(model: onnx.ModelProto) -> None:
    assert digits.MODEL.stat().st_size < 2_000_000
    assert [(x.domain, x.version) for x in model.opset_import] == [("", 17)]
    onnx.checker.check_model(model, full_check=True)


def test_only_plain_operators_are_used(model: onnx.ModelProto) -> None:
    assert {node.op_type for node in model.graph.node} == PLAIN


def test_it_is_the_papers_architecture(model: onnx.ModelProto) -> None:
    table = architecture(digits.WIDTH, digits.RESOLUTION, digits.CLASSES, 1)
    weights = {x.name: tuple(x.dims) for x in model.graph.initializer}
    assert weights["stem.weight"] == (table.stem_channels, 1, 3, 3)
    for block in table.blocks:
        inside, name = block.expanded_channels, f"block{block.index}"
        assert weights[f"{name}.depthwise.weight"] == (inside, 1, 3, 3)
        assert weights[f"{name}.project.weight"] == (block.output_channels, inside, 1, 1)
        assert (f"{name}.expand.weight" in weights) == block.has_expand
    adds = [node.name for node in model.graph.node if node.op_type == "Add"]
    assert adds == [f"block{x.index}.add" for x in table.blocks if x.has_residual]
    assert sum(int(np.prod(dims)) for dims in weights.values()) == table.parameters + 2


def test_held_out_digits_are_recognised(require_module: Callable[[str], None]) -> None:
    require_module("onnxruntime")
    images, labels = digits.heldout()
    assert images.shape == (360, 32, 32, 1) and images.dtype == np.uint8
    right = predict(images[..., 0]) == labels
    assert right.mean() >= LEAST_ACCURACY


def test_the_shown_images_are_of_the_held_out_ones() -> None:
    images, labels = digits.heldout()
    assert len(shown()) == 12
    assert {label for _, label in shown()} == set(range(digits.CLASSES))
    for path, label in shown():
        index = int(path.stem.removeprefix("heldout_"))
        with Image.open(path) as image:
            assert image.mode == "L"
            assert np.array_equal(np.asarray(image), images[index, ..., 0])
        assert label == labels[index]


def test_the_shown_images_are_recognised(require_module: Callable[[str], None]) -> None:
    require_module("onnxruntime")
    pixels = np.stack([np.asarray(Image.open(path)) for path, _ in shown()])
    assert predict(pixels).tolist() == [label for _, label in shown()]


def test_enlarging_keeps_flat_images_flat_and_ramps_straight() -> None:
    flat = digits.enlarge(np.full((1, 8, 8), 16))
    assert flat.shape == (1, 32, 32) and (flat == 255).all()
    ramp = digits.enlarge(np.tile(np.arange(8) * 2, (1, 8, 1)))[0, 0].astype(int)
    middle = np.diff(ramp[2:-2])
    # 2 levels of 16 over 4 pixels: 255 / 32 a pixel.
    assert set(middle.tolist()) <= {7, 8} and ramp[0] == 0


def test_held_out_digits_are_the_last_of_scikit_learns(
    require_module: Callable[[str], None],
) -> None:
    require_module("sklearn")
    from sklearn.datasets import load_digits

    data = load_digits()
    images, labels = digits.heldout()
    assert len(data.target) == digits.TRAINING_COUNT + len(labels)
    assert np.array_equal(
        images[..., 0], digits.enlarge(data.images[digits.TRAINING_COUNT :].astype(int))
    )
    assert np.array_equal(labels, data.target[digits.TRAINING_COUNT :])


def test_our_own_reference_recognises_all_held_out_digits_like_onnxruntime(
    require_module: Callable[[str], None],
) -> None:
    require_module("onnxruntime")
    from edgemnv2.frontend import load_model
    from edgemnv2.ops.execute import run
    from edgemnv2.passes import lower

    graph = lower(load_model("digits"))
    images, labels = digits.heldout()
    scaled = images.astype(np.float32) / np.float32(127.5) - 1
    scores = run(graph, scaled, keep=False)[graph.outputs[0]].reshape(len(labels), -1)
    assert np.array_equal(scores.argmax(axis=1), predict(images[..., 0]))
    assert (scores.argmax(axis=1) == labels).mean() >= LEAST_ACCURACY


def test_the_shown_images_load_with_the_named_preset() -> None:
    from edgemnv2.ops.graph import Tensor
    from edgemnv2.samples.images import load_images

    size = digits.RESOLUTION
    samples = load_images(
        digits.IMAGES, Tensor("input", size, size, 1, "float32"), digits.PREPROCESS, classes=10
    )
    assert samples.labels is not None
    assert samples.labels.tolist() == [label for _, label in shown()]
    assert samples.x.min() == -1 and 0.9 < samples.x.max() <= 1
