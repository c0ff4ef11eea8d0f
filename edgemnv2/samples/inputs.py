"""All inputs of a network for a number of samples: from images, from `.npz` files, or random.

Inside, arrays are NHWC `[N, H, W, C]` in the network's own input types, by the names that the
source file gives the inputs; `.npz` files are in the source's names, types and layouts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import InputError, UsageError, reason
from edgemnv2.model import TensorSpec
from edgemnv2.npz import read_npz
from edgemnv2.ops.graph import Graph
from edgemnv2.samples.digit_samples import has_heldout, heldout_samples
from edgemnv2.samples.images import (
    Samples,
    check_limit,
    image_input,
    load_images,
    random_inputs,
    to_nhwc,
)

__all__ = [
    "InputSet",
    "SampleChoice",
    "choose_inputs",
    "load_npz",
    "of_one_input",
    "random_set",
    "source_arrays",
]

Array = NDArray[Any]
DEFAULT_RANDOM = 4


@dataclass(frozen=True)
class SampleChoice:
    """Where inputs come from: one of images, inputs and random.

    Without: the held-out images of the built-in digits, for any other network a few random inputs.
    Images are for the one input that is an image; a network that has more inputs takes them from
    `inputs` then.
    """

    images: Path | None = None
    inputs: Path | None = None
    random: int | None = None
    seed: int = 0
    limit: int | None = None
    preprocess: str | None = None

    def check(self) -> None:
        """UsageError for sources that go together with no network."""
        if self.random is not None and (self.images is not None or self.inputs is not None):
            raise _several()

    def files(self) -> tuple[Path, ...]:
        """What is read: the file of inputs, or everything in the folder of images."""
        if self.images is not None and self.images.is_dir():
            return tuple(self.images.iterdir())
        return () if self.inputs is None else (self.inputs,)


@dataclass(frozen=True, eq=False)
class InputSet:
    """`arrays` `[N, H, W, C]` by the source's name of the input, where each sample comes from, and
    the classes that they show (int64 `[N]`, if known). `preset` made inputs from pixels, if any."""

    arrays: Mapping[str, Array]
    names: tuple[str, ...]
    labels: Array | None = None
    preset: str | None = None

    def __len__(self) -> int:
        return len(self.names)

    def batch(self, start: int, stop: int) -> dict[str, Array]:
        """All inputs of the samples `start` to `stop - 1`."""
        return {name: array[start:stop] for name, array in self.arrays.items()}

    def each(self, start: int, stop: int) -> list[dict[str, Array]]:
        """The same, sample by sample, `[1, H, W, C]` each: as runners take them."""
        return [self.batch(i, i + 1) for i in range(start, min(stop, len(self)))]

    def select(self, indices: Sequence[int]) -> InputSet:
        """The samples at `indices`, in that order."""
        chosen = list(indices)
        labels = None if self.labels is None else self.labels[chosen]
        arrays = {name: array[chosen] for name, array in self.arrays.items()}
        return InputSet(arrays, tuple(self.names[i] for i in chosen), labels, self.preset)

    def first(self, limit: int | None) -> InputSet:
        """The first `limit` samples, all where it is None; UsageError for a limit below 1."""
        check_limit(limit)
        labels = None if self.labels is None else self.labels[:limit]
        stop = len(self) if limit is None else min(limit, len(self))
        return InputSet(self.batch(0, stop), self.names[:limit], labels, self.preset)


def choose_inputs(
    graph: Graph,
    choice: SampleChoice,
    default_preset: str,
    classes: int | None = None,
    fit: str = "crop",
) -> InputSet:
    """The inputs that `choice` asks for; `classes` bounds the labels of images.

    `fit` is how pictures become the network's shape, as in `samples.images`.

    Raises UsageError for several sources and for numbers below 1, InputError for unsuitable files.
    """
    image, many = image_input(graph), len(graph.inputs) > 1
    choice.check()
    if not many and choice.images is not None and choice.inputs is not None:
        raise _several()
    preset = choice.preprocess or default_preset
    tensor = graph.tensors[graph.inputs[image]]
    if choice.images is not None:
        samples = load_images(
            choice.images, tensor, preset, limit=choice.limit, classes=classes, fit=fit
        )
        return _with_others(graph, image, samples, choice.inputs)
    if choice.inputs is not None:
        return load_npz(choice.inputs, graph).first(choice.limit)
    if choice.random is None and has_heldout(graph.source):
        known = heldout_samples(graph.source, tensor, preset, limit=choice.limit)
        return _of(graph, image, known)
    count = DEFAULT_RANDOM if choice.random is None else choice.random
    return random_set(graph, count, choice.seed).first(choice.limit)


def _several() -> UsageError:
    return UsageError("inputs: give one of images=, inputs= and random=, not several")


def _of(graph: Graph, image: int, samples: Samples) -> InputSet:
    name = graph.input_specs[image].name
    return InputSet({name: samples.x}, samples.names, samples.labels, samples.preset)


def _with_others(graph: Graph, image: int, samples: Samples, others: Path | None) -> InputSet:
    """Images for one input, the arrays of a file for the others: one each, or one for all."""
    found = _of(graph, image, samples)
    specs = [spec for index, spec in enumerate(graph.input_specs) if index != image]
    if not specs:
        return found
    if others is None:
        raise InputError(
            f"{graph.name}: images are for input {graph.input_specs[image].name!r}, the network "
            f"also takes {_names(specs)}; give these as .npz, too"
        )
    arrays = dict(found.arrays)
    for spec, array in _read(others, specs).items():
        if len(array) not in (1, len(samples)):
            raise InputError(
                f"{others.name}: array {spec.name!r} holds {len(array)} samples (must be 1 or "
                f"{len(samples)}, as many as there are images)"
            )
        whole = np.broadcast_to(array, (len(samples), *array.shape[1:]))
        arrays[spec.name] = np.ascontiguousarray(whole)
    return replace(found, arrays={spec.name: arrays[spec.name] for spec in graph.input_specs})


def load_npz(path: str | Path, graph: Graph) -> InputSet:
    """The inputs in a `.npz` file that names them, types them and lays them out as the source does.

    The batch may be any number, or left out. Raises InputError: no file, missing name, wrong
    dtype or shape, values that are no numbers, different numbers of samples.
    """
    place = Path(path).name
    arrays = {spec.name: array for spec, array in _read(path, graph.input_specs).items()}
    return _checked_set(arrays, place)


def source_arrays(arrays: Mapping[str, Any], graph: Graph) -> InputSet:
    """`arrays` in the source's names, types and layouts, as an InputSet; see `load_npz`."""
    found = {
        spec.name: _checked(_named(arrays, spec, graph.name), spec, graph.name)
        for spec in graph.input_specs
    }
    return _checked_set(found, graph.name)


def _checked_set(arrays: dict[str, Array], place: str) -> InputSet:
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name!r} {count}" for name, count in counts.items())
        raise InputError(
            f"{place}: the arrays hold different numbers of samples ({listed}); give equally many"
        )
    count = next(iter(counts.values()))
    return InputSet(arrays, tuple(f"{place}[{i}]" for i in range(count)))


def _read(path: str | Path, specs: tuple[TensorSpec, ...] | list[TensorSpec]) -> Any:
    """Spec -> `[N, H, W, C]`, checked."""
    place = Path(path).name
    if Path(path).is_file() and not is_zipfile(path):
        raise InputError(
            f"{place}: not a readable .npz file (no zip archive); write it with numpy.savez"
        )
    try:
        arrays = read_npz(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give a .npz file of inputs") from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{place}: not a readable .npz file ({reason(error)}); write it with numpy.savez"
        ) from None
    return {spec: _checked(_named(arrays, spec, place), spec, place) for spec in specs}


def _named(arrays: Mapping[str, Any], spec: TensorSpec, place: str) -> Array:
    if spec.name not in arrays:
        found = ", ".join(repr(name) for name in sorted(arrays)) or "nothing"
        raise InputError(
            f"{place}: no array named {spec.name!r} (found {found}); name it as the model does"
        )
    return np.asarray(arrays[spec.name])


def _checked(array: Array, spec: TensorSpec, place: str) -> Array:
    """`array` of one sample or several as `[N, H, W, C]`."""
    if array.dtype != np.dtype(spec.dtype):
        raise InputError(
            f"{place}: array {spec.name!r} is {array.dtype} (must be {spec.dtype}); convert it"
        )
    inner = spec.sample_shape
    if array.shape == inner:
        array = array[np.newaxis]
    if array.ndim != len(inner) + 1 or array.shape[1:] != inner or not len(array):
        wanted = ", ".join(["N", *map(str, inner)])
        raise InputError(
            f"{place}: array {spec.name!r} has shape {list(array.shape)} "
            f"(must be [{wanted}], {spec.layout}, as the model has it)"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        raise InputError(
            f"{place}: array {spec.name!r} has {count} values that are no numbers (NaN or "
            "infinity); correct them"
        )
    return to_nhwc(array, spec)


def random_set(graph: Graph, count: int, seed: int) -> InputSet:
    """`count` samples of seeded noise: integers over their whole range, floats standard normal.

    Each input has the seed after that of the one before. Raises UsageError for a count below 1 and
    for a negative seed.
    """
    ends = zip(graph.inputs, graph.input_specs, strict=True)
    arrays = {
        spec.name: random_inputs(graph.tensors[name], count, seed + index).x
        for index, (name, spec) in enumerate(ends)
    }
    return InputSet(arrays, tuple(f"random[{i}], seed {seed}" for i in range(count)))


def of_one_input(graph: Graph, samples: Samples) -> InputSet:
    """The samples of the one input of a network; InputError where it has several."""
    if len(graph.input_specs) != 1:
        raise InputError(f"{graph.name}: samples of one input for {_names([*graph.input_specs])}")
    return _of(graph, 0, samples)


def _names(specs: list[TensorSpec]) -> str:
    return ", ".join(repr(spec.name) for spec in specs)
