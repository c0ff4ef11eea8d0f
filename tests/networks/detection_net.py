"""Small TFLite files that end in TFLite_Detection_PostProcess, of any option and type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from flatbuffers import flexbuffers
from numpy.typing import NDArray

from tests.networks.tflite_net import TfliteNet

__all__ = ["OPERATOR", "Detector", "detection_options", "random_detector"]

Array = NDArray[Any]
OPERATOR = "CUSTOM TFLite_Detection_PostProcess"
BOX_QUANT, SCORE_QUANT, ANCHOR_QUANT = (0.25, 128), (1.0 / 256.0, 0), (1.0 / 64.0, 3)


def detection_options(**options: Any) -> bytes:
    """The options as the converter writes them: a flexbuffer with a map."""
    builder = flexbuffers.Builder()
    with builder.Map():
        for name, value in sorted(options.items()):
            builder.Key(name)
            if isinstance(value, bool):
                builder.Bool(value)
            elif isinstance(value, int):
                builder.Int(value)
            else:
                builder.Float(value, 4)
    return bytes(builder.Finish())


@dataclass(frozen=True, eq=False)
class Detector:
    """A network of the operator alone, its boxes and scores being the inputs, and samples."""

    options: dict[str, Any]
    anchors: Array
    boxes: Array
    scores: Array
    dtype: str = "float32"
    """Of the inputs. int8 goes through DEQUANTIZE."""

    @property
    def places(self) -> int:
        """Detections that the outputs have room for."""
        return int(self.options["max_detections"] * self.options["max_classes_per_detection"])

    def blob(self) -> bytes:
        """The file."""
        net = TfliteNet()
        quantised = self.dtype != "float32"
        inputs, operands = [], []
        for array, (scale, zero) in ((self.boxes, BOX_QUANT), (self.scores, SCORE_QUANT)):
            if self.dtype == "int8":
                zero -= 128
            quant = {"scale": scale, "zero_point": zero} if quantised else {}
            inputs.append(net.tensor(array.shape, self.dtype, **quant))
            operands.append(inputs[-1])
            if self.dtype == "int8":
                operands[-1] = net.tensor(array.shape)
                net.add("DEQUANTIZE", [inputs[-1]], [operands[-1]])
        if self.dtype == "uint8":
            scale, zero = ANCHOR_QUANT
            stored = np.clip(np.round(self.anchors / scale) + zero, 0, 255).astype(np.uint8)
            anchors = net.constant(stored, scale=scale, zero_point=zero)
        else:
            anchors = net.constant(self.anchors.astype(np.float32))
        outputs = [net.tensor(()) for _ in range(4)]
        net.add(OPERATOR, [*operands, anchors], outputs, data=detection_options(**self.options))
        return net.build(inputs, outputs)

    def told(self, count: int) -> Array:
        """Which places of the outputs LiteRT writes; the others hold what lay there before."""
        each, classes = self.options["max_classes_per_detection"], self.options["num_classes"]
        place = np.arange(self.places)
        if self.options.get("use_regular_nms", False):
            return place < self.options["max_detections"]
        return (place < count * each) & (place % each < min(each, classes))


def random_detector(seed: int, dtype: str = "float32") -> Detector:
    """Few kinds of scores and boxes, so that many are equal; options of all kinds."""
    random = np.random.default_rng(seed)
    count, classes = (int(random.integers(1, high)) for high in (60, 8))
    shape = (1, count, classes + int(random.integers(0, 2)))
    size = (1, count, 4 + int(random.integers(0, 2)) * 2)
    places, sizes = random.integers(0, 9, (count, 2)), random.integers(1, 5, (count, 2))
    anchors = np.concatenate([places, sizes], axis=1).astype(np.float32) / 8
    equal = bool(random.integers(0, 2))
    if dtype == "float32":
        boxes = (random.integers(-4, 5, size) / 2).astype(np.float32)
        scores = random.random(shape).astype(np.float32)
        scores = (np.floor(scores * 6) / 8).astype(np.float32) if equal else scores
    else:
        limits = np.iinfo(dtype)
        middle = 0 if dtype == "int8" else 128
        boxes = random.integers(middle - 16, middle + 17, size).astype(dtype)
        scores = random.integers(limits.min, limits.max + 1, shape)
        scores = (scores // 40 * 40 if equal else scores).clip(limits.min, limits.max).astype(dtype)
    options: dict[str, Any] = {
        "max_detections": int(random.integers(1, 12)),
        "max_classes_per_detection": int(random.integers(1, 4)),
        "num_classes": classes,
        "nms_score_threshold": float(random.choice([0.0, 0.25, 0.3, 1e-8])),
        "nms_iou_threshold": float(random.choice([0.2, 0.5, 0.6, 1.0])),
        "y_scale": 10.0,
        "x_scale": 10.0,
        "h_scale": 5.0,
        "w_scale": 5.0,
    }
    if random.integers(0, 2):
        options["use_regular_nms"] = True
        if random.integers(0, 2):
            options["detections_per_class"] = int(random.integers(1, 9))
    return Detector(options, anchors, boxes, scores, dtype)
