"""Front ends: an ONNX, TFLite or Keras file, or the paper's own definition -> `Model`."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edgemnv2.errors import ModelError
from edgemnv2.frontend import network
from edgemnv2.ops.model import Model

__all__ = ["built_in_names", "integer_twin", "load_model"]

MODELS = Path(__file__).resolve().parent.parent / "samples" / "data"
TRAINED = {"digits": "digits.onnx", "digits-int8": "digits_int8.onnx"}
"""Files of the trained models that come with the package."""
INTEGER_TWINS = {"digits": "digits-int8"}


def built_in_names() -> tuple[str, ...]:
    """Every name that `load_model` takes instead of a file."""
    return (*TRAINED, *network.built_in_names())


def integer_twin(source: str | Path) -> str | Path:
    """The int8 network to take where only int8 can run: another one for `digits` alone."""
    return INTEGER_TWINS.get(str(source), source)


def load_model(source: str | Path) -> Model:
    """The network in a .onnx or .tflite file, or under a built-in name.

    Raises ModelError (damaged file, unknown name), UnsupportedOperator, DynamicShape.
    """
    path = Path(source)
    if path.suffix in LOADERS:
        return _load_file(path)
    if path.exists():
        raise ModelError(
            f"{path.name or path}: unknown kind of model file (must end in "
            f"{', '.join(LOADERS)}); export the model to one of them"
        )
    return _load_built_in(str(source))


def _load_file(path: Path) -> Model:
    if not path.is_file():
        raise ModelError(
            f"{path}: no such file; give a .onnx, .tflite, .keras or .h5 file or a built-in name"
        )
    return LOADERS[path.suffix](path)


def _onnx(path: Path) -> Model:
    from edgemnv2.frontend.onnx import load_onnx

    return load_onnx(path)


def _tflite(path: Path) -> Model:
    from edgemnv2.frontend.tflite import load_tflite

    return load_tflite(path)


def _keras(path: Path) -> Model:
    from edgemnv2.frontend.keras import load_keras

    return load_keras(path)


LOADERS: dict[str, Callable[[Path], Model]] = {
    ".onnx": _onnx,
    ".tflite": _tflite,
    ".keras": _keras,
    ".h5": _keras,
    ".zip": _keras,
}
"""By the end of the file's name; a .zip is what Teachable Machine exports."""


def _load_built_in(name: str) -> Model:
    if name in TRAINED:
        path = MODELS / TRAINED[name]
        if not path.is_file():
            raise ModelError(
                f"{name}: the trained model is missing from this installation "
                f"(edgemnv2/samples/data/{path.name}); install the package again"
            )
        return replace(_load_file(path), name=name, source=name)
    parsed = network.parse_built_in(name)
    if parsed is None:
        near = difflib.get_close_matches(name, built_in_names(), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else "for example 'mobilenetv2-1.0-224'"
        raise ModelError(
            f"{name}: neither a model file (.onnx, .tflite, .keras, .h5) nor a built-in name "
            f"('mobilenetv2-<width>-<resolution>[-int8]', 'digits[-int8]'); {hint}"
        )
    width, resolution, int8 = parsed
    return network.build_network(width, resolution, int8=int8, name=name)
