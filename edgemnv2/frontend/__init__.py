"""Front ends: an ONNX, TFLite or Keras file, or the paper's own definition -> `Model`."""

from __future__ import annotations

import difflib
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edgemnv2.errors import ModelError, UsageError
from edgemnv2.frontend import network
from edgemnv2.frontend.ends import InputShapes
from edgemnv2.frontend.tasks import load_task, task_names
from edgemnv2.ops.model import Model

__all__ = [
    "built_in_names",
    "copy_source",
    "integer_twin",
    "load_model",
    "source_file",
    "source_sha256",
]

MODELS = Path(__file__).resolve().parent.parent / "samples" / "data"
TRAINED = {
    "digits": "digits.onnx",
    "digits-detector": "digits_detector.onnx",
    "digits-detector-int8": "digits_detector_int8.onnx",
    "digits-int8": "digits_int8.onnx",
    "digits-segmenter": "digits_segmenter.onnx",
    "digits-segmenter-int8": "digits_segmenter_int8.onnx",
}
"""Files of the trained models that come with the package."""
INTEGER_TWINS = {
    "digits": "digits-int8",
    "digits-detector": "digits-detector-int8",
    "digits-segmenter": "digits-segmenter-int8",
}


def built_in_names() -> tuple[str, ...]:
    """Every name that `load_model` takes instead of a file."""
    return (*TRAINED, *network.built_in_names(), *task_names())


def integer_twin(source: str | Path) -> str | Path:
    """The int8 network to take where only int8 can run: another one for the digits."""
    return INTEGER_TWINS.get(str(source), source)


def source_file(source: str | Path) -> Path | None:
    """The file that `load_model` would read for `source`; None for a network made by its name."""
    if str(source) in TRAINED:
        return MODELS / TRAINED[str(source)]
    return Path(source) if Path(source).suffix in LOADERS else None


def source_sha256(file: Path) -> str:
    """What `Model.sha256` is for a file; ModelError or OSError where it cannot be read."""
    if file.suffix == ".onnx":
        from edgemnv2.frontend import onnx

        return onnx.source_sha256(file)
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def copy_source(file: Path, folder: Path) -> None:
    """Copy a model file, and the files of weights that belong to it, into `folder`."""
    names = [Path(file.name)]
    if file.suffix == ".onnx":
        from edgemnv2.frontend.onnx import external_files

        names += external_files(file)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.parent / name, folder / name)


def load_model(source: str | Path, input_shapes: InputShapes | None = None) -> Model:
    """The network in a .onnx or .tflite file, or under a built-in name.

    `input_shapes` fix what is symbolic in the shapes of a file's inputs: name -> shape, batch 1
    included. Raises ModelError (damaged file, unknown name), UnsupportedOperator, DynamicShape,
    UsageError (shapes that contradict the file).
    """
    path = Path(source)
    if "://" in str(source):
        raise ModelError(f"{source}: an address, not a file; download it and give the file")
    if path.is_dir():
        raise ModelError(f"{path}: a folder, not a model file; {_remedy_for_folder(path)}")
    if path.suffix in LOADERS:
        return _load_file(path, input_shapes)
    if path.exists():
        raise ModelError(
            f"{path.name or path}: unknown kind of model file (must end in "
            f"{', '.join(LOADERS)}); {REMEDIES.get(path.suffix, 'export the model to one of them')}"
        )
    model = _load_built_in(str(source))
    for name, shape in (input_shapes or {}).items():
        if (name, tuple(shape)) not in {(x.name, x.shape) for x in model.inputs}:
            spec = model.inputs[0]
            raise UsageError(
                f"input_shapes={name}={','.join(map(str, shape))}: {source} takes {spec.name!r} of "
                f"{list(spec.shape)} (the size is in the name of a built-in network); leave it out"
            )
    return model


def _remedy_for_folder(folder: Path) -> str:
    """What to give instead of a folder that people take for a model."""
    if (folder / "manifest.json").is_file():
        return "this is an artefact, which verify, run, bench and report take"
    if (folder / "saved_model.pb").is_file():
        return f"{_FROM_TENSORFLOW} of this SavedModel"
    return f"give a file in it that ends in {', '.join(LOADERS)}"


def _load_file(path: Path, input_shapes: InputShapes | None = None) -> Model:
    if not path.is_file():
        raise ModelError(
            f"{path}: no such file; give a .onnx, .tflite, .keras or .h5 file or a built-in name"
        )
    return LOADERS[path.suffix](path, input_shapes)


def _onnx(path: Path, input_shapes: InputShapes | None) -> Model:
    from edgemnv2.frontend.onnx import load_onnx

    return load_onnx(path, input_shapes)


def _tflite(path: Path, input_shapes: InputShapes | None) -> Model:
    from edgemnv2.frontend.tflite import load_tflite

    return load_tflite(path, input_shapes)


def _keras(path: Path, input_shapes: InputShapes | None) -> Model:
    from edgemnv2.frontend.keras import load_keras

    return load_keras(path, input_shapes)


LOADERS: dict[str, Callable[[Path, InputShapes | None], Model]] = {
    ".onnx": _onnx,
    ".tflite": _tflite,
    ".keras": _keras,
    ".h5": _keras,
    ".zip": _keras,
}
"""By the end of the file's name; a .zip is what Teachable Machine exports."""
_FROM_TENSORFLOW = "tf.lite.TFLiteConverter makes a .tflite"
_FROM_PYTORCH = "torch.onnx.export(network, example, 'model.onnx') makes an .onnx of it"
REMEDIES = {
    ".pb": f"{_FROM_TENSORFLOW} of it",
    ".pt": _FROM_PYTORCH,
    ".pth": _FROM_PYTORCH,
    ".ckpt": _FROM_PYTORCH,
}
"""What makes a file that we read of one that we do not, by the end of its name."""


def _load_built_in(name: str) -> Model:
    if name in TRAINED:
        path = MODELS / TRAINED[name]
        if not path.is_file():
            raise ModelError(
                f"{name}: the trained model is missing from this installation "
                f"(edgemnv2/samples/data/{path.name}); install the package again"
            )
        return replace(_load_file(path), name=name, source=name)
    task = load_task(name)
    if task is not None:
        return task
    parsed = network.parse_built_in(name)
    if parsed is None:
        near = difflib.get_close_matches(name, built_in_names(), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else "for example 'mobilenetv2-1.0-224'"
        raise ModelError(
            f"{name}: neither a model file (.onnx, .tflite, .keras, .h5) nor a built-in name "
            f"('mobilenetv2-<width>-<resolution>[-int8]', 'digits[-int8]', "
            f"'digits-detector[-int8]', 'digits-segmenter[-int8]', "
            f"'ssdlite-mobilenetv2-320[-int8]', 'deeplabv3-mobilenetv2-513[-int8]'); {hint}"
        )
    width, resolution, int8 = parsed
    return network.build_network(width, resolution, int8=int8, name=name)
