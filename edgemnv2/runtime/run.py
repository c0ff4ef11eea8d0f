#!/usr/bin/env python3
"""Predicts with the compiled network beside this file; needs NumPy alone.

    python3 run.py image.jpg [--top 5] [--labels labels.txt] [--outputs y.npz]

IMAGE may be .ppm or .pgm, any other image where Pillow is installed, or .npy / .npz with the
tensors as the source model has them; several inputs need .npz. For use from Python:
`Network(folder)(nhwc_array)`, or with a dict of arrays by name where there are several inputs.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

# ImageNet's mean and deviation, as torchvision's documentation gives them.
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
# Evaluation images are resized to 256 on the shorter side for a crop of 224.
RESIZE = 256 / 224
Arrays = dict[str, "np.ndarray[Any, Any]"]
STATUS = {-1: "null pointer", -2: "misaligned arena", -3: "arena too small"}


class RunError(Exception):
    """Something that the user can fix, in one line."""


class Network:
    """The compiled network of an artefact folder, through its plain C interface."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            self.manifest = json.loads((self.folder / "manifest.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{self.folder}: no artefact here ({error})") from None
        _check_seal(self.manifest, self.folder)
        name = self.manifest["name"]
        file = f"lib/lib{name}.so"
        path = self.folder.resolve() / file
        if not path.is_file():
            raise RunError(f"{path}: missing (only artefacts for Linux run here)")
        if hashlib.sha256(path.read_bytes()).hexdigest() != self.manifest["files"][file]:
            raise RunError(f"{path}: was changed after compile")
        try:
            library = ctypes.CDLL(str(path))
        except OSError as error:
            target = self.manifest["target"]
            raise RunError(f"{path}: does not load; it is for {target} ({error})") from None
        self._run = getattr(library, f"{name}_run")
        self._run.restype = ctypes.c_int32
        self._run.argtypes = [ctypes.c_void_p] * 3
        self.inputs = self.manifest["inputs"]
        self.outputs = self.manifest["outputs"]
        # 64 bytes is every artefact's alignment or more.
        self._store = np.zeros(self.manifest["arena_bytes"] + 64, np.uint8)
        self._arena = self._store.ctypes.data + -self._store.ctypes.data % 64

    def run(self, sample: Arrays) -> Arrays:
        """Every output `[1, H, W, C]` for one sample, by name and as stored, as inputs are."""
        data = []
        for tensor in self.inputs:
            if tensor["name"] not in sample:
                raise RunError(f"input {tensor['name']!r} is missing")
            array, shape = sample[tensor["name"]], (1, *tensor["nhwc"])
            if array.shape not in (shape, shape[1:]) or array.dtype != tensor["dtype"]:
                raise RunError(
                    f"input {tensor['name']!r}: {array.dtype} {list(array.shape)}, "
                    f"expected {tensor['dtype']} {list(shape)} (NHWC)"
                )
            data.append(np.ascontiguousarray(array))
        results = [np.zeros((1, *x["nhwc"]), x["dtype"]) for x in self.outputs]
        # struct <name>_inputs and _outputs: a pointer for each.
        inputs = (ctypes.c_void_p * len(data))(*(x.ctypes.data for x in data))
        outputs = (ctypes.c_void_p * len(results))(*(y.ctypes.data for y in results))
        status = self._run(ctypes.byref(inputs), ctypes.byref(outputs), self._arena)
        if status:
            raise RunError(f"the network answered {status} ({STATUS.get(status, 'unknown')})")
        return {x["name"]: results[i] for i, x in enumerate(self.outputs)}

    def __call__(self, sample: Any) -> Any:
        """As `run`; where there is one input, or one output, its array alone."""
        if isinstance(sample, np.ndarray):
            if len(self.inputs) != 1:
                names = ", ".join(repr(x["name"]) for x in self.inputs)
                raise RunError(f"one array, but there are {len(self.inputs)} inputs: {names}")
            sample = {self.inputs[0]["name"]: sample}
        results = self.run(sample)
        return results if len(results) > 1 else next(iter(results.values()))


def _check_seal(manifest: Any, folder: Path) -> None:
    """Sizes that somebody has edited would be believed by the library, and end the process."""
    content = {}
    if isinstance(manifest, dict):
        content = {k: v for k, v in manifest.items() if k != "seal"}
    text = json.dumps(content, sort_keys=True)
    if not content or manifest.get("seal") != hashlib.sha256(text.encode()).hexdigest():
        raise RunError(f"{folder / 'manifest.json'}: was changed after compile (compile again)")


def real_scores(tensor: dict[str, Any], stored: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Stored values of an output as real numbers."""
    if tensor.get("scale") is None:
        return stored.astype(np.float64)
    scale, zero_point = float(tensor["scale"]), int(tensor["zero_point"])
    return (stored.astype(np.float64) - zero_point) * scale


def score_output(network: Network) -> dict[str, Any]:
    """The output that can be class scores, of one pixel before of a grid; else the first."""
    found = [
        x for x in network.outputs if x["nhwc"][2] > 1 and x["dtype"] not in ("int32", "int64")
    ]
    single = [x for x in found if x["nhwc"][:2] == [1, 1]]
    best: dict[str, Any] = [*single, *found, *network.outputs][0]
    return best


def load_sample(network: Network, path: Path) -> Arrays:
    """One sample, `[1, H, W, C]` each, from an image or array file."""
    if path.suffix in (".npy", ".npz"):
        try:
            # All of it now: a damaged archive fails when an array is asked for.
            loaded: Any = np.load(path)
            content: Any = loaded if path.suffix == ".npy" else dict(loaded)
        except (EOFError, MemoryError, OSError, SyntaxError, TypeError, ValueError) as error:
            raise RunError(f"{path}: cannot be read ({error})") from None
        except (RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise RunError(f"{path}: cannot be read ({error})") from None
        if path.suffix == ".npy":
            _expect_one_input(network, path)
            return {network.inputs[0]["name"]: _from_source(content, network.inputs[0], path)}
        sample = {}
        for tensor in network.inputs:
            if tensor["name"] not in content:
                raise RunError(f"{path}: no array {tensor['name']!r} (it has {', '.join(content)})")
            sample[tensor["name"]] = _from_source(content[tensor["name"]], tensor, path)
        return sample
    _expect_one_input(network, path)
    (tensor,) = network.inputs
    height, width, channels = tensor["nhwc"]
    if channels not in (1, 3):
        raise RunError(f"{path}: the network takes {channels} channels, give an .npy file")
    pixels = _fit(_read_pixels(path, channels), height, width, path)
    return {tensor["name"]: _preprocess(pixels, tensor, network.manifest["preprocess"])}


def _expect_one_input(network: Network, path: Path) -> None:
    if len(network.inputs) != 1:
        names = ", ".join(repr(x["name"]) for x in network.inputs)
        raise RunError(f"{path}: the network has the inputs {names}, give them in an .npz file")


def to_source(array: np.ndarray[Any, Any], tensor: dict[str, Any]) -> np.ndarray[Any, Any]:
    """An output `[1, H, W, C]` in the source model's layout."""
    if tensor["layout"] == "NCHW":
        array = array.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(array).reshape(tensor["shape"])


def _from_source(
    array: np.ndarray[Any, Any], tensor: dict[str, Any], path: Path
) -> np.ndarray[Any, Any]:
    """An array in the source model's layout (or NHWC) as `[1, H, W, C]`."""
    nhwc = (1, *tensor["nhwc"])
    source = tuple(tensor["shape"])
    if array.dtype != tensor["dtype"]:
        raise RunError(f"{path}: dtype {array.dtype}, expected {tensor['dtype']}")
    if array.shape in (source, source[1:] if source[:1] == (1,) else source):
        if tensor["layout"] == "NCHW":
            array = array.reshape(source).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(array.reshape(nhwc))
    if array.shape in (nhwc, nhwc[1:]):
        return np.ascontiguousarray(array.reshape(nhwc))
    raise RunError(f"{path}: shape {list(array.shape)}, expected {list(source)} or {list(nhwc)}")


def _read_pixels(path: Path, channels: int) -> np.ndarray[Any, Any]:
    """uint8 `[H, W, C]` of an image file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror})") from None
    if data[:2] in (b"P5", b"P6"):
        return _read_netpbm(data, path, channels)
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise RunError(
            f"{path}: without Pillow only .ppm, .pgm, .npy and .npz can be read "
            "(pip install pillow)"
        ) from None
    try:
        image = ImageOps.exif_transpose(Image.open(path))
        if image.mode == "F":
            raise RunError(f"{path}: its pixels are floating-point numbers, convert it")
        if image.mode.startswith("I"):
            # Gray of 16 bits; Pillow would cut it off at 255.
            wide = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
            image = Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
        image = image.convert("RGB" if channels == 3 else "L")
    except (OSError, ValueError, SyntaxError) as error:
        raise RunError(f"{path}: is not an image ({error})") from None
    return np.asarray(image, np.uint8).reshape(image.height, image.width, channels)


def _read_netpbm(data: bytes, path: Path, channels: int) -> np.ndarray[Any, Any]:
    """Binary PPM or PGM of 8 bits: magic, width, height, maximum, one white space, pixels."""
    words: list[bytes] = []
    at = 2
    while len(words) < 3 and at < len(data):
        if data[at : at + 1] == b"#":
            end = data.find(b"\n", at)
            at = end if end >= 0 else len(data)
        elif data[at : at + 1].isspace():
            at += 1
        else:
            start = at
            while at < len(data) and not data[at : at + 1].isspace():
                at += 1
            words.append(data[start:at])
    made = 3 if data[:2] == b"P6" else 1
    if len(words) < 3 or not all(w.isdigit() for w in words) or int(words[2]) != 255:
        raise RunError(f"{path}: not a PPM or PGM of 8 bits")
    width, height = int(words[0]), int(words[1])
    body = data[at + 1 :]
    if made != channels or len(body) < width * height * made:
        raise RunError(f"{path}: expected {channels} channels and {width} x {height} pixels")
    pixels = np.frombuffer(body, np.uint8, width * height * made)
    return pixels.reshape(height, width, made)


def _fit(pixels: np.ndarray[Any, Any], height: int, width: int, path: Path) -> np.ndarray[Any, Any]:
    """Resized (shorter side 256/224 of the network's) and cropped, as at compile time."""
    if pixels.shape[:2] == (height, width):
        return pixels
    try:
        from PIL import Image
    except ImportError:
        raise RunError(
            f"{path}: {pixels.shape[1]} x {pixels.shape[0]} pixels, and resizing to "
            f"{width} x {height} needs Pillow (pip install pillow)"
        ) from None
    channels = pixels.shape[2]
    image = Image.fromarray(pixels if channels == 3 else pixels[:, :, 0])
    scale = max(height / image.height, width / image.width) * RESIZE
    size = round(image.width * scale), round(image.height * scale)
    image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    image = image.crop((left, top, left + width, top + height))
    return np.asarray(image, np.uint8).reshape(height, width, channels)


def _preprocess(
    pixels: np.ndarray[Any, Any], tensor: dict[str, Any], preset: str
) -> np.ndarray[Any, Any]:
    """Pixels as the network's input; the same presets as `edgemnv2 verify --preprocess`."""
    dtype = tensor["dtype"]
    real: np.ndarray[Any, Any]
    if preset == "raw":
        offset = 128 if dtype == "int8" else 0
        return (pixels.astype(np.int16) - offset).astype(dtype)[np.newaxis]
    if preset == "keras":
        real = pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)
    else:
        mean, std = (MEAN, STD) if pixels.shape[2] == 3 else (MEAN.mean(), STD.mean())
        real = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    if tensor.get("scale") is None:
        return real.astype(dtype)[np.newaxis]
    scaled = real.astype(np.float64) / tensor["scale"]
    stored = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled) + tensor["zero_point"]
    limits = np.iinfo(dtype)
    clipped: np.ndarray[Any, Any] = np.clip(stored, limits.min, limits.max)
    return clipped.astype(dtype)[np.newaxis]


def main() -> int:
    """Prints the best classes, one a line: score, index, label; a grid's with row and column."""
    parser = argparse.ArgumentParser(description="Predict with the network beside this file.")
    parser.add_argument("image", type=Path, help="image, .npy or .npz")
    parser.add_argument("--top", type=int, default=5, metavar="N")
    parser.add_argument("--labels", type=Path, help="text file, one label a line")
    parser.add_argument("--outputs", type=Path, help="write all outputs into this .npz")
    args = parser.parse_args()
    try:
        labels = args.labels.read_text("utf-8").splitlines() if args.labels else []
        network = Network(Path(__file__).resolve().parent)
        results = network.run(load_sample(network, args.image))
        if args.outputs:
            named: dict[str, Any] = {
                x["name"]: to_source(results[x["name"]], x) for x in network.outputs
            }
            with args.outputs.open("wb") as file:
                np.savez(file, **named)
    except (RunError, OSError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    tensor = score_output(network)
    scores = real_scores(tensor, results[tensor["name"]])
    _, height, width, _ = scores.shape
    # Equal scores: the lowest index wins.
    order = np.argsort(-scores, axis=None, kind="stable")[: args.top]
    for row, column, index in np.stack(np.unravel_index(order, scores.shape)[1:], axis=1):
        place = f"  row {row} column {column}" if height * width > 1 else ""
        label = f"  {labels[index]}" if index < len(labels) else ""
        print(f"{scores[0, row, column, index]:10.4f}  {index:5d}{label}{place}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
