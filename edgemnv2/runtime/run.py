#!/usr/bin/env python3
"""Predicts with the compiled network beside this file; needs NumPy alone.

    python3 run.py image.jpg [--draw out.png] [--threshold 0.5] [--labels labels.txt]
    python3 run.py photos --draw answers
    python3 run.py --camera [--draw out.png]
    python3 run.py x.npz --outputs y.npz [--top 5]

IMAGE may be .ppm or .pgm, any other image where Pillow is installed, a folder of these, or .npy /
.npz with the tensors as the source model has them; several inputs need .npz. Drawing needs Pillow,
a camera picamera2 or OpenCV. For use from Python: `Network(folder)(nhwc_array)`, or with a dict of
arrays by name where there are several inputs.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import hashlib
import json
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

# What lies in the folder `vision` beside this file.
from vision import decode, geometry
from vision import labels as label_files

# ImageNet's mean and deviation, as torchvision's documentation gives them.
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
IMAGES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".webp")
Arrays = dict[str, "np.ndarray[Any, Any]"]
STATUS = {
    -1: "null pointer",
    -2: "misaligned arena",
    -3: "arena too small",
    -8: "this processor lacks a feature",
}


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
    return {tensor["name"]: picture_input(network, read_pixels(path, tensor["nhwc"][2]), path)}


def picture_input(
    network: Network, pixels: np.ndarray[Any, Any], path: Path
) -> np.ndarray[Any, Any]:
    """What the network takes for a picture uint8 `[H, W, C]`; `path` is for messages."""
    (tensor,) = network.inputs
    channels = tensor["nhwc"][2]
    if channels not in (1, 3):
        raise RunError(f"{path}: the network takes {channels} channels, give an .npy file")
    place = placement(network, pixels)
    return _preprocess(_fit(pixels, place, path), tensor, network.manifest["preprocess"])


def placement(network: Network, pixels: np.ndarray[Any, Any]) -> Any:
    """Where a picture `[H, W, C]` lies in the network's input."""
    height, width, _ = network.inputs[0]["nhwc"]
    fit = network.manifest["task"]["fit"]
    return geometry.placed(pixels.shape[1], pixels.shape[0], (width, height), fit)


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


def read_pixels(path: Path, channels: int) -> np.ndarray[Any, Any]:
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


def _fit(pixels: np.ndarray[Any, Any], place: Any, path: Path) -> np.ndarray[Any, Any]:
    """Resized, and cropped or laid between bars, as at compile time."""
    high, wide, channels = pixels.shape
    if (wide, high) != place.resized:
        try:
            from PIL import Image
        except ImportError:
            raise RunError(
                f"{path}: {wide} x {high} pixels, and resizing to {place.resized[0]} x "
                f"{place.resized[1]} needs Pillow (pip install pillow)"
            ) from None
        image = Image.fromarray(pixels if channels == 3 else pixels[:, :, 0])
        image = image.resize(place.resized, Image.Resampling.BILINEAR)
        pixels = np.asarray(image, np.uint8).reshape(image.height, image.width, channels)
    width, height = place.window
    window = np.full((height, width, channels), geometry.BAR, np.uint8)
    # What of the resized picture the window shows, and where in it.
    top, left = max(place.top, 0), max(place.left, 0)
    part = pixels[top : top + height, left : left + width]
    down, across = top - place.top, left - place.left
    window[down : down + part.shape[0], across : across + part.shape[1]] = part
    return window


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


def answer_lines(network: Network, answer: Any, place: Any, top: int) -> list[str]:
    """What the network says of a picture, a line for each thing; pixels are the picture's."""
    task = network.manifest["task"]
    lines = [f"{x.score:10.4f}  {decode.label(task, x.index)}" for x in answer.classes[:top]]
    for x in answer.detections:
        ends = place.box_to_picture((x.top, x.left, x.bottom, x.right))
        where = "top {:.0f} left {:.0f} bottom {:.0f} right {:.0f}".format(*ends)
        lines.append(f"{x.score:10.4f}  {decode.label(task, x.index)}  {where}")
    for x in answer.centroids:
        y, across = place.to_picture(x.y, x.x)
        lines.append(f"{x.score:10.4f}  {decode.label(task, x.index)}  x {across:.0f} y {y:.0f}")
    if answer.mask is not None:
        indices, counts = np.unique(answer.mask, return_counts=True)
        for index, count in zip(indices, counts, strict=True):
            lines.append(f"{count / answer.mask.size:10.1%}  {decode.label(task, int(index))}")
    if answer.embedding is not None:
        lines.append(f"embedding of {len(answer.embedding)} numbers, see --outputs")
    return lines or ["nothing found"]


class Answering:
    """Pictures -> answers, told and drawn as the arguments say."""

    def __init__(self, network: Network, args: argparse.Namespace) -> None:
        if len(network.inputs) != 1:
            raise RunError("pictures are for networks with one input, give an .npz file")
        self.network, self.top = network, args.top
        self.task = network.manifest["task"]
        if args.labels:
            given = read_labels(args.labels)
            suited = label_files.fitted(given, self.task)
            if suited is None:
                classes = (
                    f"{self.task['classes']} classes" if self.task["classes"] else "no classes"
                )
                raise RunError(
                    f"--labels {args.labels}: {len(given)} labels, and this {self.task['kind']} "
                    f"has {classes}; correct the file or leave it out"
                )
            self.task["labels"] = suited
        self.threshold = args.threshold

    def __call__(
        self, pixels: np.ndarray[Any, Any], path: Path, draw: Path | None, note: str = ""
    ) -> tuple[Arrays, list[str]]:
        """The outputs and the words for one picture."""
        name = self.network.inputs[0]["name"]
        results = self.network.run({name: picture_input(self.network, pixels, path)})
        place = placement(self.network, pixels)
        answer = decode.decode(self.task, self.network.outputs, results, self.threshold)
        if draw is not None:
            self._draw(pixels, answer, place, draw, note)
        return results, answer_lines(self.network, answer, place, self.top)

    def _draw(
        self, pixels: np.ndarray[Any, Any], answer: Any, place: Any, path: Path, note: str
    ) -> None:
        try:
            from PIL import Image
            from vision import draw
        except ImportError:
            raise RunError("drawing needs Pillow (pip install pillow)") from None
        image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
        names = dict(enumerate(self.task["labels"]))
        page = draw.drawn(image, answer, names, place, note=note)
        with whole_file(path) as partial:
            try:
                page.save(partial)
            except (KeyError, ValueError):
                raise RunError(f"{path}: cannot be drawn (expected .png, .jpg or .webp)") from None


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file to write that becomes `path` at the end: whole, or not at all.

    Somebody may be looking at the one before. A device or a pipe stays what it is.
    """
    device = path.exists() and not path.is_file()
    partial = path if device else path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        if not device:
            partial.replace(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        if not device:
            with contextlib.suppress(OSError):
                partial.unlink()


def read_labels(path: Path) -> tuple[str, ...]:
    """The labels of a text file, or of a .csv with the columns class_index and name."""
    try:
        text = path.read_text("utf-8-sig")
        read = label_files.table if path.suffix == ".csv" else label_files.lines
        found: tuple[str, ...] = read(text)
        return found
    except UnicodeDecodeError as error:
        raise RunError(f"{path}: labels cannot be read ({error}); give UTF-8 text") from None
    except OSError as error:
        raise RunError(f"{path}: labels cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise RunError(f"{path}: {error}") from None


def run_folder(answering: Answering, folder: Path, draw: Path | None) -> None:
    """Every picture of a folder, with a bar on the terminal."""
    channels = answering.network.inputs[0]["nhwc"][2]
    files = sorted(x for x in folder.iterdir() if x.suffix.lower() in IMAGES)
    if not files:
        raise RunError(f"{folder}: no pictures ({', '.join(IMAGES)})")
    for index, file in enumerate(files):
        target = None if draw is None else draw / f"{file.name}.png"
        _, lines = answering(read_pixels(file, channels), file, target)
        print("\n".join([file.name, *lines]))
        if sys.stderr.isatty():
            done = (index + 1) * 30 // len(files)
            bar = "#" * done + "." * (30 - done)
            end = "\n" if index + 1 == len(files) else ""
            print(f"\r[{bar}] {index + 1}/{len(files)}", end=end, file=sys.stderr, flush=True)


def run_camera(answering: Answering, number: int, draw: Path | None, frames: int | None) -> None:
    """Pictures of a camera, until the user stops it or `frames` of them are done."""
    from vision import camera

    try:
        source = camera.open_camera(number)
        rates = camera.frames_per_second()
        next(rates)
        try:
            while frames is None or frames > 0:
                pixels = source.picture()
                if answering.network.inputs[0]["nhwc"][2] == 1:
                    # Luma as Pillow has it.
                    luma = pixels.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32)
                    pixels = ((luma + 32768) >> 16).astype(np.uint8)[..., np.newaxis]
                rate = f"{next(rates):.1f} frames/s"
                _, lines = answering(pixels, Path("camera"), draw, rate)
                print(f"{rate}  {'; '.join(' '.join(x.split()) for x in lines)}", flush=True)
                frames = None if frames is None else frames - 1
        finally:
            source.close()
    except camera.CameraError as error:
        raise RunError(str(error)) from None
    except KeyboardInterrupt:
        print()


def run_tensors(network: Network, args: argparse.Namespace) -> None:
    """The best classes of an .npy or .npz, one a line: score, index, label; a grid's with place."""
    results = network.run(load_sample(network, args.image))
    write_outputs(network, results, args.outputs)
    labels = read_labels(args.labels) if args.labels else ()
    tensor = score_output(network)
    scores = real_scores(tensor, results[tensor["name"]])
    _, height, width, _ = scores.shape
    # Equal scores: the lowest index wins.
    order = np.argsort(-scores, axis=None, kind="stable")[: args.top]
    for row, column, index in np.stack(np.unravel_index(order, scores.shape)[1:], axis=1):
        place = f"  row {row} column {column}" if height * width > 1 else ""
        label = f"  {labels[index]}" if index < len(labels) else ""
        print(f"{scores[0, row, column, index]:10.4f}  {index:5d}{label}{place}")


def write_outputs(network: Network, results: Arrays, path: Path | None) -> None:
    """All outputs into an .npz, as the source model has them."""
    if path is not None:
        named: dict[str, Any] = {
            x["name"]: to_source(results[x["name"]], x) for x in network.outputs
        }
        with whole_file(path) as partial, partial.open("wb") as file:
            np.savez(file, **named)


def expect_kept(args: argparse.Namespace) -> None:
    """RunError where what is to be written is what is read, or is not written at all."""
    several = args.camera is not None or args.image.is_dir()
    if several and args.outputs is not None:
        raise RunError("--outputs: is for one image or array file (leave it out)")
    if args.image is not None and args.image.is_dir():
        # Drawn pictures have other names than those beside them.
        if args.draw is not None and args.draw.exists() and not args.draw.is_dir():
            raise RunError(f"--draw {args.draw}: is not a folder, and the pictures are one")
        return
    for flag, path in (("draw", args.draw), ("outputs", args.outputs)):
        for read in (args.image, args.labels):
            if None not in (path, read) and path.exists() and read.exists() and path.samefile(read):
                raise RunError(f"--{flag} {path}: would be written over what is read")


def whole_number(word: str) -> int:
    """What counts something: 1 or more."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word}: expected a whole number of at least 1")
    return int(word)


def score(word: str) -> float:
    """A score to compare with."""
    try:
        value = float(word)
    except ValueError:
        value = float("nan")
    if value != value:
        raise argparse.ArgumentTypeError(f"{word}: expected a number, as in 0.5")
    return value


def main() -> int:
    """Tells what the network says of an image, a folder of them, a camera, or tensors."""
    parser = argparse.ArgumentParser(description="Predict with the network beside this file.")
    parser.add_argument("image", type=Path, nargs="?", help="image, folder of images, .npy or .npz")
    parser.add_argument("--draw", type=Path, help="draw the answer into this file, or folder")
    parser.add_argument("--threshold", type=score, help="least score that counts")
    parser.add_argument("--camera", type=int, nargs="?", const=0, metavar="N", help="a camera (0)")
    parser.add_argument("--frames", type=whole_number, metavar="N", help="of the camera, then end")
    parser.add_argument("--top", type=whole_number, default=5, metavar="N")
    parser.add_argument("--labels", type=Path, help="text file, one label a line")
    parser.add_argument("--outputs", type=Path, help="write all outputs into this .npz")
    args = parser.parse_args()
    if (args.image is None) == (args.camera is None):
        parser.error("give an image, a folder, an array file, or --camera")
    if args.camera is None and args.frames is not None:
        parser.error("--frames: are those of a --camera")
    try:
        expect_kept(args)
        network = Network(Path(__file__).resolve().parent)
        unknown = network.manifest["task"]["kind"] == "unknown"
        if args.image is not None and (args.image.suffix in (".npy", ".npz") or unknown):
            if args.draw is not None or args.threshold is not None:
                why = "what its outputs mean is not known" if unknown else "arrays are no pictures"
                raise RunError(f"--draw and --threshold are about pictures, and {why}")
            run_tensors(network, args)
            return 0
        answering = Answering(network, args)
        if args.camera is not None:
            run_camera(answering, args.camera, args.draw, args.frames)
        elif args.image.is_dir():
            run_folder(answering, args.image, args.draw)
        else:
            pixels = read_pixels(args.image, network.inputs[0]["nhwc"][2])
            results, lines = answering(pixels, args.image, args.draw)
            write_outputs(network, results, args.outputs)
            print("\n".join(lines))
    except (RunError, OSError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
