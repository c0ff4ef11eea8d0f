"""Files as people's tools write them (../shared/cases): read, and equal to their own framework.

Integers of TFLite to the bit, floats to 1e-4 of the largest output, others layer by layer; see
`edgemnv2.check.source`. What is refused is refused with its remedy.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.check.source import check_source
from edgemnv2.cli.main import main
from edgemnv2.errors import EdgeError
from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import run, run_layer
from edgemnv2.passes import lower
from edgemnv2.samples.images import to_source
from edgemnv2.samples.inputs import random_set, source_arrays

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
RECIPES, REPORTS = CASES / "recipes", CASES / "reports"
MODULES = {".tflite": "ai_edge_litert", ".onnx": "onnxruntime"}

REFUSED = {
    # 16-bit activations.
    "keras_top10_int16x8.tflite": r"16 bits .*convert the model with 8-bit activations",
    "ort_int16.onnx": r"type int16 .*quantise to 8 bits",
    # A user's mistakes.
    "torch_tv_dynhw.onnx": r"dimension 2 \('h'\) is not fixed; .*input_shapes=",
    "torch_tv_training.onnx": r"training_mode=1 .*model\.eval\(\)",
}
"""File -> what the refusal says, remedy included."""

NAMES = sorted(
    path.name
    for folder in (RECIPES, REPORTS)
    for path in folder.glob("*")
    if path.suffix in MODULES
) or ["none"]


def _path(name: str, require_module: Callable[[str], None]) -> Path:
    path = (RECIPES if (RECIPES / name).is_file() else REPORTS) / name
    if not path.is_file():
        pytest.skip(f"{path}: is not on this machine")
    require_module(MODULES[path.suffix])
    return path


def _wrong(path: Path) -> str | None:
    """What is wrong with our reading of the file; None where it is its framework's."""
    try:
        graph = lower(load_model(path))
    except EdgeError as error:
        return f"refused: {error}"
    found = check_source(graph, path, random_set(graph, 1, 0).arrays)
    stored = path.with_suffix(".npz")
    if found.passed and found.judged_by == "outputs" and stored.is_file():
        return _differs_from(stored, path)
    return None if found.passed else str(found)


def _differs_from(stored: Path, path: Path) -> str | None:
    """The stored outputs of the framework, over many samples."""
    graph = lower(load_model(path))
    with np.load(stored) as arrays:
        inputs, outputs = arrays["inputs"], arrays["outputs"]
    (spec,), (end,) = graph.input_specs, graph.output_specs
    given = source_arrays({spec.name: inputs.reshape(len(inputs), *spec.sample_shape)}, graph)
    ours = to_source(run(graph, given.arrays, keep=False)[graph.outputs[0]], end)
    gap = np.abs(ours.astype(np.float64) - outputs.reshape(ours.shape).astype(np.float64))
    allowed = 1e-4 * float(np.abs(outputs).max()) if outputs.dtype.kind == "f" else 0.0
    count = int((gap > allowed).sum())
    return f"{count} of {gap.size} stored values differ" if count else None


@pytest.mark.parametrize("name", [x for x in NAMES if x not in REFUSED])
def test_the_file_is_its_frameworks(name: str, require_module: Callable[[str], None]) -> None:
    assert _wrong(_path(name, require_module)) is None


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_has_its_remedy_and_analyze_says_the_same(
    name: str, require_module: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    path = _path(name, require_module)
    with pytest.raises(EdgeError, match=REFUSED[name]) as caught:
        lower(load_model(path))
    capsys.readouterr()
    assert main(["analyze", str(path)]) == 1
    said = str(caught.value).replace("input_shapes=", "--input-shape")
    assert said in capsys.readouterr().err


def test_only_litert_s_sum_of_int8_differs_in_an_embedding(
    require_module: Callable[[str], None],
) -> None:
    """LiteRT 2.3's SUM reads int8 as uint8 (`tests/ops/test_reduce.py`); with what it makes there,
    every layer of the network is its own to the bit, those behind the sum too."""
    path = _path("keras_embed_l2_int8.tflite", require_module)
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    numbers = {x["name"]: x["index"] for x in interpreter.get_tensor_details()}
    graph = lower(load_model(path))
    sample = random_set(graph, 1, 0).arrays[graph.input_specs[0].name]
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample)
    interpreter.invoke()
    values, compared, wrong = {graph.inputs[0]: sample}, 0, []
    for layer in graph.layers:
        made = run_layer(graph, layer, [values[x] for x in layer.inputs])
        theirs = interpreter.get_tensor(numbers[graph.origins[layer.output]]).reshape(made.shape)
        compared += 1
        wrong += [] if np.array_equal(made, theirs) else [type(layer).__name__]
        values[layer.output] = theirs
    assert compared == len(graph.layers)
    assert wrong == ["Reduce"]


def test_a_free_height_and_width_are_the_users(require_module: Callable[[str], None]) -> None:
    path = _path("torch_tv_dynhw.onnx", require_module)
    graph = lower(load_model(path, {"input": (1, 3, 96, 64)}))
    assert check_source(graph, path, random_set(graph, 1, 0).arrays).passed


def test_every_recipe_of_the_list_is_tried() -> None:
    if not RECIPES.is_dir():
        pytest.skip(f"{RECIPES}: is not on this machine")
    with (RECIPES / "recipes.csv").open(newline="") as file:
        listed = {row["file"] for row in csv.DictReader(file)}
    assert listed == {name for name in NAMES if (RECIPES / name).is_file()}
    assert REFUSED.keys() <= set(NAMES)
