"""The layers that every family of kernels is held against."""

from __future__ import annotations

from typing import Any

TFLITE_SAME_STRIDE_2 = (0, 0, 1, 1)
TORCH_STRIDE_2 = (1, 1, 1, 1)

INT8_CASES: dict[str, dict[str, Any]] = {
    "pointwise of whole vectors": {"kind": "pointwise", "width": 14, "cin": 64, "cout": 48},
    "pointwise, channels and pixels with tails": {
        "kind": "pointwise",
        "width": 5,
        "cin": 37,
        "cout": 45,
        "zero_in": 9,
    },
    "pointwise without relu": {
        "kind": "pointwise",
        "width": 7,
        "cin": 24,
        "cout": 16,
        "relu": False,
        "zero_out": 11,
    },
    "pointwise, relu at another zero point and below 6": {
        "kind": "pointwise",
        "width": 7,
        "cin": 24,
        "cout": 16,
        "zero_out": -100,
        "clamp": (-100, 90),
    },
    "pointwise, multipliers of one half and more": {
        "kind": "pointwise",
        "width": 6,
        "cin": 40,
        "cout": 24,
        "relu": False,
        "zero_out": 3,
        "large": True,
    },
    "pointwise, relu and multipliers of one half and more": {
        "kind": "pointwise",
        "width": 6,
        "cin": 40,
        "cout": 24,
        "large": True,
    },
    "pointwise, a weight of -128": {
        "kind": "pointwise",
        "width": 4,
        "cin": 32,
        "cout": 16,
        "weight_min": -128,
    },
    "classifier": {
        "kind": "pointwise",
        "height": 1,
        "width": 1,
        "cin": 128,
        "cout": 1001,
        "relu": False,
        "zero_out": 5,
    },
    "classifier, rounded once": {
        "kind": "pointwise",
        "height": 1,
        "width": 1,
        "cin": 64,
        "cout": 301,
        "relu": False,
        "zero_out": -24,
        "zero_in": 0,
        "single_rounding": True,
    },
    "relu, rounded once": {
        "kind": "pointwise",
        "width": 5,
        "cin": 32,
        "cout": 24,
        "single_rounding": True,
        "zero_in": 64,
    },
    "depthwise": {"kind": "depthwise", "width": 14, "cin": 48, "height": 4},
    "depthwise, narrow and odd": {"kind": "depthwise", "width": 3, "cin": 21, "zero_in": 4},
    "depthwise, one column": {"kind": "depthwise", "width": 1, "height": 2, "cin": 16},
    "depthwise, stride 2 of TFLite": {
        "kind": "depthwise",
        "width": 30,
        "height": 6,
        "cin": 24,
        "stride": 2,
        "padding": TFLITE_SAME_STRIDE_2,
    },
    "depthwise, stride 2 of torch, odd width": {
        "kind": "depthwise",
        "width": 15,
        "height": 5,
        "cin": 24,
        "stride": 2,
        "padding": TORCH_STRIDE_2,
        "relu": False,
        "zero_out": -7,
    },
    "depthwise, multipliers of one half and more": {
        "kind": "depthwise",
        "width": 9,
        "cin": 19,
        "large": True,
        "relu": False,
        "zero_out": 0,
    },
    "depthwise, a weight of -128": {
        "kind": "depthwise",
        "width": 8,
        "cin": 16,
        "weight_min": -128,
    },
    "stem of TFLite": {
        "kind": "conv2d",
        "width": 32,
        "height": 6,
        "cin": 3,
        "cout": 32,
        "stride": 2,
        "padding": TFLITE_SAME_STRIDE_2,
    },
    "stem of torch, odd width": {
        "kind": "conv2d",
        "width": 23,
        "height": 7,
        "cin": 3,
        "cout": 12,
        "stride": 2,
        "padding": TORCH_STRIDE_2,
    },
    "stem of one channel, stride 1": {"kind": "conv2d", "width": 10, "cin": 1, "cout": 16},
    "stem of uint8": {
        "kind": "conv2d",
        "width": 16,
        "height": 4,
        "cin": 3,
        "cout": 16,
        "stride": 2,
        "padding": TFLITE_SAME_STRIDE_2,
        "source_dtype": "uint8",
        "zero_in": 127,
    },
    "pointwise, int16 weights": {
        "kind": "pointwise",
        "width": 5,
        "cin": 45,
        "cout": 24,
        "weight_dtype": "int16",
    },
    "depthwise, int16 weights": {
        "kind": "depthwise",
        "width": 9,
        "cin": 19,
        "weight_dtype": "int16",
        "relu": False,
        "zero_out": 0,
    },
    "stem of uint8, int16 weights": {
        "kind": "conv2d",
        "width": 16,
        "height": 4,
        "cin": 3,
        "cout": 16,
        "stride": 2,
        "padding": TFLITE_SAME_STRIDE_2,
        "source_dtype": "uint8",
        "zero_in": 128,
        "weight_dtype": "int16",
    },
    "residual add": {"kind": "add", "width": 14, "cin": 24, "relu": False, "zero_out": 3},
    "residual add, odd length": {
        "kind": "add",
        "width": 7,
        "cin": 13,
        "relu": False,
        "zero_out": -4,
        "clamp": (-100, 99),
    },
    "residual add, large multipliers": {
        "kind": "add",
        "width": 5,
        "cin": 8,
        "relu": False,
        "zero_out": 3,
        "large": True,
    },
}

FLOAT_CASES: dict[str, dict[str, Any]] = {
    name: {k: v for k, v in case.items() if k not in ("clamp", "zero_in", "zero_out")}
    for name, case in INT8_CASES.items()
    if not any(
        word in name for word in ("multipliers", "-128", "uint8", "zero point", "once", "int16")
    )
}
