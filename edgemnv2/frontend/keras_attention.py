"""Keras's attention layers as ONNX nodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.frontend.keras_net import OnnxNet

__all__ = ["attention", "multi_head_attention"]


def attention(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    """Of queries, values, and keys, which are the values where there are none."""
    if config.get("score_mode", "dot") != "dot":
        raise net.refuse("attention by sums", "train with score_mode='dot'")
    query, value, key = (*x, x[1])[:3]
    scores = net.add("MatMul", [query, net.add("Transpose", [key], perm=[0, 2, 1])])
    if config.get("use_scale") and weights:
        scores = net.add("Mul", [scores, net.constant(next(iter(weights.values())))])
    return net.add("MatMul", [net.add("Softmax", [scores], axis=-1), value])


def multi_head_attention(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    """Of queries, values, and keys, each `[batch, positions, features]`."""
    if config.get("attention_axes") not in (None, [1], 1) or net.ranks[x[0]] != 3:
        raise net.refuse(
            "attention over several axes is not supported",
            "reshape to [batch, positions, features]",
        )
    query, value, key = (*x, x[1])[:3]
    heads, size = int(config["num_heads"]), int(config["key_dim"])
    depth = int(config.get("value_dim") or size)

    def projected(name: str, which: str, extent: int) -> str:
        """`[batch, heads, positions, extent]`."""
        kernel = weights[f"{which}/kernel"]
        y = net.add("MatMul", [name, net.constant(kernel.reshape(-1, heads * extent))])
        if f"{which}/bias" in weights:
            y = net.add("Add", [y, net.constant(weights[f"{which}/bias"].reshape(-1))])
        shape = np.array([1, net.shape(name)[1], heads, extent], np.int64)
        return net.add("Transpose", [net.add("Reshape", [y, net.constant(shape)], 4)], perm=APART)

    asked = net.add("Mul", [projected(query, "query", size), net.operand(1.0 / np.sqrt(size))])
    turned = net.add("Transpose", [projected(key, "key", size)], perm=[0, 1, 3, 2])
    scores = net.add("Softmax", [net.add("MatMul", [asked, turned])], axis=-1)
    mixed = net.add("MatMul", [scores, projected(value, "value", depth)])
    shape = np.array([1, net.shape(query)[1], heads * depth], np.int64)
    mixed = net.add("Transpose", [mixed], perm=APART)
    mixed = net.add("Reshape", [mixed, net.constant(shape)], 3)
    kernel = weights["attention_output/kernel"]
    y = net.add("MatMul", [mixed, net.constant(kernel.reshape(heads * depth, -1))])
    if "attention_output/bias" in weights:
        y = net.add("Add", [y, net.constant(weights["attention_output/bias"].reshape(-1))])
    return y


APART = [0, 2, 1, 3]
"""Heads in front of positions, and back."""
