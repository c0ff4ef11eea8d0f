"""Makes `digits_int8.onnx` from `digits.onnx`: the recipe of the built-in model `digits-int8`.

Calibrated on every 15th image of the training part, the images that `train_digits.py` saw; the
held-out ones play no part in it. Nothing is random: the same library versions give the same file on
every machine. Needs scikit-learn for its digits (`pip install 'edgemnv2[train]'`):

    python -m edgemnv2.lab.quantize_digits [--output FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edgemnv2.export.qdq_file import with_int8_ends
from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import run
from edgemnv2.passes import lower
from edgemnv2.quantizer.quantize import Quantized, quantize
from edgemnv2.samples import digits
from edgemnv2.samples.images import Samples

__all__ = ["quantized_digits", "training_samples"]


def training_samples() -> Samples:
    """The images that the network was trained on, as the float network takes them."""
    from sklearn.datasets import load_digits

    data = load_digits()
    count = digits.TRAINING_COUNT
    images = digits.enlarge(data.images[:count].astype(np.uint8))[..., np.newaxis]
    return Samples(
        images.astype(np.float32) / np.float32(127.5) - np.float32(1),
        tuple(f"digit {index}" for index in range(count)),
        data.target[:count].astype(np.int64),
        digits.PREPROCESS,
    )


def quantized_digits() -> tuple[bytes, Quantized]:
    """The file's bytes, and how well it follows the float network on the training part.

    With int8 ends a pixel p enters as p - 128, and a score leaves as the int8 that it is.
    """
    found = quantize(lower(load_model("digits")), training_samples())
    return with_int8_ends(found.onnx), found


def heldout_classes(data: NDArray[Any], model: Path) -> NDArray[np.int64]:
    """The classes `[N]` that the int8 network in `model` gives images `[N, 32, 32, 1]`, 0..255."""
    graph = lower(load_model(model))
    stored = (data.astype(np.int16) - 128).astype(np.int8)
    scores = run(graph, stored, keep=False)[graph.outputs[0]]
    return np.asarray(scores.reshape(len(data), -1).argmax(axis=1), np.int64)


def main() -> None:
    """Writes `digits_int8.onnx` and prints its accuracy on the held-out images."""
    parser = argparse.ArgumentParser(
        prog="python -m edgemnv2.lab.quantize_digits", description=main.__doc__
    )
    parser.add_argument("--output", type=Path, default=digits.INT8_MODEL)
    options = parser.parse_args()
    data, found = quantized_digits()
    made = onnx.load_from_string(data)
    onnx.helper.set_model_props(made, digits.meaning("raw"))
    data = made.SerializeToString(deterministic=True)
    options.output.write_bytes(data)
    print(f"calibrated on {found.calibration_samples} images, {len(data)} bytes")
    images, labels = digits.heldout()
    right = int((heldout_classes(images, options.output) == labels).sum())
    print(f"held out: {right} of {len(labels)} right, {100 * right / len(labels):.2f} %")


if __name__ == "__main__":
    main()
