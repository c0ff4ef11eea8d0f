"""The table of operators: whoever is in it has all that an operator needs, or says why not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import edgemnv2.ops
from edgemnv2.model import SourceFormat
from edgemnv2.ops.graph import Layer
from edgemnv2.ops.table import OPERATORS, PARTS, layer_type, part, rules_of

FOLDER = Path(edgemnv2.ops.__file__).parent
NEEDED = {
    "layer": (),
    "reference": ("run",),
    "kernel": ("kernels",),
    "check": ("check",),
    "lower": ("NODES",),
}
# What may be missing, and the reason.
LACKS = {
    ("lookup", "onnx"): "concatenations make it",
    ("lookup", "tflite"): "concatenations make it",
    ("copy", "tflite"): "outputs that are inputs, or one tensor, make it",
    ("copy", "onnx"): "outputs that are inputs, or one tensor, make it",
    ("erf", "tflite"): "TFLite has GELU only",
    ("hard_sigmoid", "tflite"): "TFLite writes it as additions, products, RELU6",
    ("softplus", "tflite"): "TFLite writes it as EXP, LOG",
    ("rescale", "tflite"): "QUANTIZE of integers makes it",
    ("rescale", "onnx"): "QuantizeLinear behind DequantizeLinear makes it",
}
# Not every operator moves rows of its own, has a form in other engines' files, sums in an order
# that a library chooses, or is one that the quantiser makes.
OPTIONAL = {"rows", "export", "exact", "quantised"}
# What an optional part must have, if it is there.
NEEDED_THERE = {"exact": {"prepare"}, "export": {"onnx"}}
FORMATS = {"onnx", "tflite", "ncnn", "opset"}
# What the quantiser may ask of an operator.
QUANTISED = {"integer", "target", "stays_float", "StoredWeights", "targets"}


def test_the_table_and_the_folders_are_the_same() -> None:
    folders = {path.parent.name for path in FOLDER.glob("*/layer.py")}
    assert folders == set(OPERATORS)
    assert list(OPERATORS) == sorted(OPERATORS)


@pytest.mark.parametrize("format_", ["onnx", "tflite"])
def test_each_operator_of_a_file_has_one_rule(format_: SourceFormat) -> None:
    """The later of two would be taken, without a word."""
    parts = [part(name, format_) for name in OPERATORS]
    assert sum(len(x.RULES) for x in parts if x) == len(rules_of(format_))


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_lacks_nothing(name: str) -> None:
    missing = {p for p in PARTS if p not in OPTIONAL and part(name, p) is None}
    assert {p for p in missing if (name, p) not in LACKS} == set(), f"ops/{name} lacks parts"
    for module, functions in NEEDED.items():
        for function in functions:
            assert hasattr(part(name, module), function), f"ops/{name}/{module}.py: no {function}"
    if part(name, "lower").NODES:
        for function in ("arrange", "lower"):
            assert hasattr(part(name, "lower"), function), f"ops/{name}/lower.py: no {function}"


@pytest.mark.parametrize("name", OPERATORS)
def test_optional_parts_have_what_is_asked_of_them(name: str) -> None:
    for module, functions in NEEDED_THERE.items():
        found = part(name, module)
        assert found is None or functions <= set(found.__all__), f"ops/{name}/{module}.py"
    quantised = part(name, "quantised")
    if quantised is not None:
        assert quantised.__all__ and set(quantised.__all__) <= QUANTISED
    export = part(name, "export")
    if export is not None:
        assert export.__all__ and set(export.__all__) <= FORMATS, f"ops/{name}/export.py"


@pytest.mark.parametrize("name", OPERATORS)
def test_every_module_of_a_folder_is_a_part_or_is_used_by_one(name: str) -> None:
    """A part under a name that nobody asks for would be passed over in silence."""
    text = "".join(path.read_text() for path in (FOLDER / name).glob("*.py"))
    for path in (FOLDER / name).glob("*.py"):
        used = path.stem in (*PARTS, "__init__") or f"ops.{name}.{path.stem} import" in text
        assert used, f"ops/{name}/{path.name}"


@pytest.mark.parametrize("name", OPERATORS)
def test_its_layers_are_defined_in_its_folder(name: str) -> None:
    for layer in OPERATORS[name]:
        kind = layer_type(layer)
        assert issubclass(kind, Layer) and kind.__module__ == f"edgemnv2.ops.{name}.layer"


def test_no_node_and_no_layer_belongs_to_two() -> None:
    nodes = Counter(node for name in OPERATORS for node in part(name, "lower").NODES)
    layers = Counter(layer for layers in OPERATORS.values() for layer in layers)
    assert {x for x, count in (nodes + layers).items() if count > 1} == set()


@pytest.mark.parametrize("format_", ["tflite", "onnx"])
def test_every_rule_says_what_must_hold(format_: str) -> None:
    for name, rule in rules_of(format_).items():  # type: ignore[arg-type]
        assert (rule.__doc__ or "").strip(), f"{format_} {name}: no docstring"
