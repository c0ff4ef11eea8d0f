"""Files of the field beside LiteRT's reference kernels, on pictures of noise, digits and the world.

Integers are equal to the bit; floats within `TOLERANCE` of the largest value of their tensor, which
is one of boxes and scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgemnv2.model import TensorSpec
from edgemnv2.samples.canvases import heldout_canvases

__all__ = ["PICTURES", "assert_litert", "litert_outputs", "pictures", "stored"]

Array = NDArray[Any]
PICTURES = 10
TOLERANCE = 1e-5
PHOTOGRAPHS = Path(__file__).resolve().parents[3] / "shared" / "data" / "imagenet224"
CLASSES_APART = 60


def pictures(size: int, channels: int = 3, count: int = PICTURES) -> list[Array]:
    """float32 `[1, size, size, channels]` in [-1, 1]: noise, canvases of digits, photographs.

    Where the shared photographs are not, there are more canvases.
    """
    photographs = sorted(PHOTOGRAPHS.glob("*.jpg"))[::CLASSES_APART][: count // 3]
    canvases = heldout_canvases(count - count // 3 - len(photographs))
    images = [Image.fromarray(one.pixels) for one in canvases]
    images += [Image.open(file).convert("RGB") for file in photographs]
    made = [_noise(seed, size) for seed in range(count // 3)]
    made += [
        np.asarray(image.resize((size, size)), np.float32) / np.float32(127.5) - np.float32(1)
        for image in images
    ]
    return [x[np.newaxis, ..., :channels].astype(np.float32) for x in made]


def _noise(seed: int, size: int) -> Array:
    """Patches of colour, and noise on them."""
    random = np.random.default_rng(seed)
    cell = -(-size // 8)
    patches = np.kron(random.normal(size=(8, 8, 3)), np.ones((cell, cell, 1)))[:size, :size]
    return np.clip(patches * 0.5 + random.normal(size=(size, size, 3)) * 0.2, -1, 1)


def stored(real: Array, spec: TensorSpec) -> Array:
    """Real values as the input `spec` stores them."""
    if spec.quant is None:
        return real
    limits = np.iinfo(spec.dtype)
    steps = np.round(real / spec.quant.scale) + spec.quant.zero_point
    return np.asarray(np.clip(steps, limits.min, limits.max), spec.dtype)


def litert_outputs(blob: bytes, samples: Sequence[Array]) -> list[list[Array]]:
    """The outputs of LiteRT's reference kernels in the file's order, for each sample."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=blob,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    results = []
    for sample in samples:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample)
        interpreter.invoke()
        details = interpreter.get_output_details()
        results.append([interpreter.get_tensor(x["index"]).copy() for x in details])
    return results


def assert_litert(
    found: Mapping[str, Array],
    specs: Sequence[TensorSpec],
    theirs: Sequence[Array],
    scores: Array | None = None,
) -> None:
    """Every output by its name is LiteRT's.

    A map of classes may differ where the float `scores` of both classes, `[1, H, W, C]`, are equal
    but for the tolerance: sums in another order name one or the other.
    """
    assert len(specs) == len(theirs)
    for spec, wanted in zip(specs, theirs, strict=True):
        ours = found[spec.name].reshape(wanted.shape)
        assert ours.dtype == wanted.dtype, spec.name
        if wanted.dtype.kind != "f" or bool((wanted == np.round(wanted)).all()):
            apart = np.nonzero((ours != wanted).ravel())[0]
            if scores is not None and apart.size:
                pixels = scores.reshape(-1, scores.shape[-1])[apart]
                two = [
                    np.take_along_axis(pixels, x.reshape(-1, 1)[apart].astype(np.int64), 1)
                    for x in (ours, wanted)
                ]
                limit = 2 * TOLERANCE * max(1.0, float(np.abs(scores).max()))
                np.testing.assert_allclose(*two, rtol=0, atol=limit, err_msg=spec.name)
            else:
                np.testing.assert_array_equal(ours, wanted, err_msg=spec.name)
        else:
            atol = TOLERANCE * max(1.0, float(np.abs(wanted).max()))
            np.testing.assert_allclose(ours, wanted, rtol=0, atol=atol, err_msg=spec.name)
