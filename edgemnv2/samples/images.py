"""Images and random numbers as one input of a network, NHWC `[N, H, W, C]` in its own type.

`to_nhwc` and `to_source` lead from the source model's layout to ours and back.

An image that already has the network's size is taken as it is. Any other is turned as its EXIF
data say and resized (Pillow, bilinear, antialiased): to "crop", so that its shorter side is 256/224
of the network's, then its centre is taken, torchvision's and Keras's usual evaluation; to
"letterbox", whole between bars; to "stretch", whole with another aspect.
"""

from __future__ import annotations

import csv
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from edgemnv2.errors import InputError, UsageError
from edgemnv2.model import TensorSpec
from edgemnv2.ops.graph import Graph, Tensor
from edgemnv2.runtime.vision.geometry import BAR, Placement, placed
from edgemnv2.samples.pixels import FULL_BYTE, wanted_pixels

__all__ = [
    "PRESETS",
    "SUFFIXES",
    "Samples",
    "check_limit",
    "default_preset",
    "image_input",
    "load_images",
    "open_picture",
    "placement",
    "preprocess",
    "preset_pixels",
    "random_inputs",
    "seeded_generator",
    "stored_bytes",
    "to_nhwc",
    "to_source",
]

Array = NDArray[Any]

PRESETS = ("torchvision", "keras", "raw")
"""`torchvision`: (p/255 - mean) / std; `keras`: p/127.5 - 1; `raw`: the pixel p itself, for a
quantised input as its stored value (uint8: p, int8: p - 128)."""

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".webp")
LABELS = "labels.csv"
# ImageNet's, as torchvision's documentation gives them.
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
WHITE_16_BITS = 65535
_EXIF_SYMPTOMS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs `[N, H, W, C]`, where they come from, and the classes they show (if known)."""

    x: Array
    names: tuple[str, ...]
    labels: Array | None = None
    """int64 `[N]`, or None."""
    preset: str | None = None
    """Which of `PRESETS` made `x` from pixels; None where there were none."""

    def __len__(self) -> int:
        return len(self.names)

    def select(self, indices: Sequence[int]) -> Samples:
        """The samples at `indices`, in that order."""
        chosen = list(indices)
        labels = None if self.labels is None else self.labels[chosen]
        return Samples(self.x[chosen], tuple(self.names[i] for i in chosen), labels, self.preset)

    def first(self, limit: int | None) -> Samples:
        """The first `limit` samples, all where it is None; UsageError for a limit below 1."""
        check_limit(limit)
        return self if limit is None else self.select(range(min(limit, len(self))))


def check_limit(limit: int | None) -> None:
    """UsageError for a limit that leaves no sample."""
    if limit is not None and limit < 1:
        raise UsageError(f"limit={limit}: expected at least 1")


def image_input(graph: Graph) -> int:
    """Number of the input for images: the largest with four dimensions and 1 or 3 channels.

    The first one where there is none.
    """
    pixels = []
    for name, spec in zip(graph.inputs, graph.input_specs, strict=True):
        tensor = graph.tensors[name]
        image = len(spec.shape) == 4 and tensor.channels in (1, 3)
        pixels.append(tensor.height * tensor.width if image else 0)
    return pixels.index(max(pixels))


def default_preset(graph: Graph) -> str:
    """How images become inputs unless the user says otherwise.

    `raw` for a quantised input, and for a float one whose network scales bytes itself;
    `torchvision` for other float NCHW with 3 channels, whose mean and deviation are per colour;
    `keras` for the rest.
    """
    index = image_input(graph)
    tensor = graph.tensors[graph.inputs[index]]
    pixels = wanted_pixels(graph, index)
    if tensor.quant is not None or (pixels is not None and pixels.high == FULL_BYTE):
        return "raw"
    colour = graph.input_specs[index].layout == "NCHW" and tensor.channels == 3
    return "torchvision" if colour else "keras"


def load_images(
    folder: str | Path,
    tensor: Tensor,
    preset: str,
    *,
    limit: int | None = None,
    classes: int | None = None,
    fit: str = "crop",
) -> Samples:
    """The images of `folder` as inputs for `tensor`, in the order of labels.csv or else of names.

    `labels.csv` (columns `file` and `class_index`) is optional; `classes` bounds its indices.
    Raises InputError: no folder, no images, not an image, damaged labels; UsageError for a limit
    below 1.
    """
    root = Path(folder)
    check_limit(limit)
    if not root.is_dir():
        raise InputError(f"{folder}: no such folder; give a folder of images")
    files, labels = _listing(root, classes)
    files = files[:limit]
    labels = None if labels is None else labels[:limit]
    x = np.empty((len(files), *tensor.shape), tensor.dtype)
    for index, name in enumerate(files):
        x[index] = preprocess(open_picture(root / name), tensor, preset, fit)
    return Samples(x, tuple(files), labels, preset)


def preset_pixels(preset: str) -> tuple[float, float]:
    """What black and white become, the least and the most of all colours; InputError as below."""
    _check_preset(preset)
    if preset == "torchvision":
        low, high = float((-MEAN / STD).min()), float(((1 - MEAN) / STD).max())
        return round(low, 4), round(high, 4)
    return (-1.0, 1.0) if preset == "keras" else (0.0, FULL_BYTE)


def placement(image: Image.Image, tensor: Tensor, fit: str) -> Placement:
    """Where a picture lies in the network's input."""
    return placed(image.width, image.height, (tensor.width, tensor.height), fit)


def _check_preset(preset: str) -> None:
    if preset not in PRESETS:
        raise InputError(f"preprocess {preset!r} is unknown; give one of {', '.join(PRESETS)}")


def preprocess(image: Image.Image, tensor: Tensor, preset: str, fit: str = "crop") -> Array:
    """One image as `[H, W, C]` for `tensor`: geometry, the preset's range, quantisation.

    A preset other than `raw` on a quantised input gives real numbers, which are then quantised
    (halves away from zero).
    """
    _check_preset(preset)
    if tensor.channels not in (1, 3):
        raise InputError(
            f"{tensor.name}: images have 1 or 3 channels, the model takes {tensor.channels}; "
            "give its inputs as .npz"
        )
    pixels = _fit(image.convert("RGB" if tensor.channels == 3 else "L"), tensor, fit)
    if preset == "raw":
        return _stored_pixels(pixels, tensor)
    if preset == "keras":
        real = pixels.astype(np.float32) / np.float32(127.5) - np.float32(1.0)
    else:
        mean, std = (MEAN, STD) if tensor.channels == 3 else (MEAN.mean(), STD.mean())
        real = (pixels.astype(np.float32) / np.float32(255.0) - mean) / std
    if tensor.quant is None:
        return np.asarray(real, tensor.dtype)
    scaled = real.astype(np.float64) / tensor.quant.scale
    rounded = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled) + tensor.quant.zero_point
    limits = np.iinfo(tensor.dtype)
    return np.asarray(np.clip(rounded, limits.min, limits.max), tensor.dtype)


def stored_bytes(tensor: Tensor, preset: str) -> Array:
    """`[C, 256]`: what each byte of each channel is stored as in an image input."""
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[np.newaxis])
    row = replace(tensor, height=1, width=256)
    return np.ascontiguousarray(preprocess(ramp, row, preset)[0].T)


def random_inputs(tensor: Tensor, count: int, seed: int) -> Samples:
    """`count` inputs of seeded noise: integers over their whole range, floats standard normal.

    Raises UsageError for a count below 1 and for a negative seed.
    """
    if count < 1:
        raise UsageError(f"random={count}: expected at least 1")
    generator = seeded_generator(seed)
    shape = (count, *tensor.shape)
    if np.issubdtype(np.dtype(tensor.dtype), np.integer):
        limits = np.iinfo(tensor.dtype)
        x = generator.integers(limits.min, limits.max, shape, tensor.dtype, endpoint=True)
    else:
        x = generator.standard_normal(shape, np.float32).astype(tensor.dtype)
    return Samples(x, tuple(f"random[{i}], seed {seed}" for i in range(count)))


def seeded_generator(seed: int) -> np.random.Generator:
    """Random numbers that the seed alone decides; UsageError for a negative one."""
    if seed < 0:
        raise UsageError(f"seed={seed}: expected 0 or more")
    return np.random.default_rng(seed)


def to_nhwc(array: Array, spec: TensorSpec) -> Array:
    """A batch in the source's layout as `[N, H, W, C]`.

    What is no image has its last dimension in the channels, the one before in the width.
    """
    inner = spec.sample_shape
    batch = array.reshape(len(array), *inner)
    if spec.layout == "NCHW":
        batch = batch.transpose(0, 2, 3, 1)
    elif len(inner) != 3:
        padded = (1, 1, 1, *inner)
        batch = batch.reshape(len(batch), math.prod(padded[:-2]), *padded[-2:])
    return np.ascontiguousarray(batch)


def to_source(array: Array, spec: TensorSpec) -> Array:
    """A batch `[N, H, W, C]` in the source's layout and shape, N for the batch.

    A single sample of a shape without a batch has that shape alone.
    """
    batch = array.transpose(0, 3, 1, 2) if spec.layout == "NCHW" else array
    batch = np.ascontiguousarray(batch)
    if len(array) == 1 and not spec.has_batch:
        return batch.reshape(spec.shape)
    return batch.reshape(len(array), *spec.sample_shape)


def _listing(root: Path, classes: int | None) -> tuple[list[str], Array | None]:
    """File names and their classes."""
    if (root / LABELS).is_file():
        return _read_labels(root, classes)
    files = sorted(
        path.name
        for path in root.iterdir()
        if path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    if not files:
        raise InputError(f"{root.name}: no images in this folder ({', '.join(SUFFIXES)}); add some")
    return files, None


def _read_labels(root: Path, classes: int | None) -> tuple[list[str], Array]:
    place = f"{root.name}/{LABELS}"
    try:
        text = (root / LABELS).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{place}: not UTF-8 text; save it as UTF-8") from None
    reader = csv.DictReader(text.splitlines())
    missing = {"file", "class_index"} - set(reader.fieldnames or ())
    if missing:
        raise InputError(
            f"{place}: column {min(missing)!r} is missing (must have file and class_index); "
            "add it to the first line"
        )
    files: list[str] = []
    labels: list[int] = []
    for row in reader:
        where = f"{place}: line {reader.line_num}"
        name = str(row["file"])
        if not (root / name).is_file():
            raise InputError(f"{where}: no file {name!r} in the folder; add it or drop the line")
        try:
            label = int(str(row["class_index"]))
        except ValueError:
            raise InputError(
                f"{where}: class_index {row['class_index']!r} is not a whole number; correct it"
            ) from None
        if label < 0 or (classes is not None and label >= classes):
            top = "" if classes is None else f" and below the model's {classes} classes"
            raise InputError(
                f"{where}: class_index {label} is out of range (must be 0 or more{top}); correct it"
            )
        files.append(name)
        labels.append(label)
    if not files:
        raise InputError(f"{place}: no images are listed; add some")
    return files, np.array(labels, np.int64)


def open_picture(path: Path) -> Image.Image:
    """The image in a file, upright; InputError where it cannot be read."""
    try:
        image: Image.Image = Image.open(path)
        image.load()
        image = ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = "unknown format" if isinstance(error, UnidentifiedImageError) else str(error)
        raise InputError(
            f"{path.name}: not a readable image ({reason}); replace or remove it"
        ) from None
    return _eight_bits(_upright(image, path.name), path.name)


def _upright(image: Image.Image, file: str) -> Image.Image:
    """Turned as the camera was held: cameras write that beside the pixels (EXIF)."""
    try:
        return ImageOps.exif_transpose(image)
    except _EXIF_SYMPTOMS as error:
        raise InputError(f"{file}: its EXIF data are damaged ({error}); save it again") from None


def _eight_bits(image: Image.Image, file: str) -> Image.Image:
    """Gray of 16 bits as the same picture in 8; Pillow would cut it off at 255.

    Colours of 16 bits it reads in 8 itself.
    """
    if image.mode == "F":
        raise InputError(
            f"{file}: its pixels are floating-point numbers (must be of 8 or 16 bits); convert it, "
            "or give the inputs as .npz"
        )
    if not image.mode.startswith("I"):
        return image
    wide = np.asarray(image).astype(np.int64)
    if wide.min(initial=0) < 0 or wide.max(initial=0) > WHITE_16_BITS:
        raise InputError(
            f"{file}: its pixels have 32 bits (must have 8 or 16); convert it, or give the inputs "
            "as .npz"
        )
    # To the nearest: 257 * p in 16 bits is p in 8.
    return Image.fromarray(((wide * 255 + WHITE_16_BITS // 2) // WHITE_16_BITS).astype(np.uint8))


def _fit(image: Image.Image, tensor: Tensor, fit: str) -> Array:
    """uint8 `[H, W, C]`: the image itself where it has the size, else resized and placed."""
    place = placement(image, tensor, fit)
    if image.size != place.resized:
        image = image.resize(place.resized, Image.Resampling.BILINEAR)
    if place.resized != place.window or place.left or place.top:
        window = Image.new(image.mode, place.window, (BAR,) * len(image.getbands()))
        window.paste(image, (-place.left, -place.top))
        image = window
    pixels = np.asarray(image, np.uint8)
    return pixels.reshape(tensor.shape)


def _stored_pixels(pixels: Array, tensor: Tensor) -> Array:
    if tensor.dtype == "int8":
        return np.asarray(pixels.astype(np.int16) - 128, np.int8)
    return np.asarray(pixels, tensor.dtype)
