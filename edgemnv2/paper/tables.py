"""The paper's tables, recomputed: each figure beside the published one, differences explained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgemnv2.paper import published
from edgemnv2.paper.operators import Operator, macs, parameters
from edgemnv2.paper.peers import mobilenet_v1, shufflenet
from edgemnv2.paper.v2 import mobilenet_v2

__all__ = ["architecture_table", "block", "materialised", "peers", "table_3", "work"]

ACTIVATION_BYTES = 2
"""Table 3 assumes 16-bit activations."""

"""Table 3's "Kb" are thousands of bytes: 112 * 112 * 16 * 2 = 401 408 is its 400."""


def block(
    size: int = 56, channels_in: int = 24, channels_out: int = 32, t: int = 6, stride: int = 2
) -> dict[str, Any]:
    """Table 1: the bottleneck's three operators, in letters and at one place of the network."""
    inner, small = t * channels_in, -(-size // stride)
    return {
        "example": {"size": size, "k": channels_in, "k'": channels_out, "t": t, "s": stride},
        "operators": [
            {
                "input": "h x w x k",
                "operator": "1x1 conv2d, ReLU6",
                "output": "h x w x (tk)",
                "input_shape": [size, size, channels_in],
                "output_shape": [size, size, inner],
            },
            {
                "input": "h x w x tk",
                "operator": "3x3 dwise s=s, ReLU6",
                "output": "h/s x w/s x (tk)",
                "input_shape": [size, size, inner],
                "output_shape": [small, small, inner],
            },
            {
                "input": "h/s x w/s x tk",
                "operator": "linear 1x1 conv2d",
                "output": "h/s x w/s x k'",
                "input_shape": [small, small, inner],
                "output_shape": [small, small, channels_out],
            },
        ],
        "shortcut": "added where s = 1 and k = k'",
    }


def architecture_table(
    width: float = 1, size: int = 224, classes: int = 1000
) -> list[dict[str, Any]]:
    """Table 2: neighbouring blocks of one kind as one line, each with its work and weights."""
    lines: list[dict[str, Any]] = []
    for _, group in _groups(mobilenet_v2(width, size, classes)):
        first, last = group[0], group[-1]
        depthwise = next((x for x in group if x.kind == "depthwise"), None)
        line: dict[str, Any] = {
            "input": [first.size, first.size, first.channels_in],
            "operator": "bottleneck",
            "t": None,
            "c": last.channels_out,
            "n": 1,
            "s": first.stride,
            "output": [last.size_out, last.size_out, last.channels_out],
            "macs": macs(group),
            "parameters": parameters(group, norm=True),
        }
        if depthwise is not None:
            line |= {"t": depthwise.channels_in // first.channels_in, "s": depthwise.stride}
            before = lines[-1]
            # Later blocks of a line have stride 1 and its number of channels at both ends.
            same = (before["t"], before["c"]) == (line["t"], line["c"])
            if same and line["s"] == 1 and first.channels_in == line["c"]:
                before["n"] += 1
                before["macs"] += line["macs"]
                before["parameters"] += line["parameters"]
                continue
        else:
            line["operator"] = f"{'avgpool' if first.kind == 'pool' else 'conv2d'} "
            line["operator"] += f"{first.kernel}x{first.kernel}"
        lines.append(line)
    return lines


def _groups(operators: Sequence[Operator]) -> list[tuple[str, list[Operator]]]:
    groups: list[tuple[str, list[Operator]]] = []
    for operator in operators:
        name = operator.name.partition(".")[0]
        if groups and groups[-1][0] == name:
            groups[-1][1].append(operator)
        else:
            groups.append((name, [operator]))
    return groups


def work(classes: int = 1000) -> dict[str, Any]:
    """Multiply-adds and parameters over widths and resolutions, beside the checkpoints'."""
    rows: list[dict[str, Any]] = []
    for checkpoint in published.CHECKPOINTS:
        network = mobilenet_v2(checkpoint.width, checkpoint.size, classes)
        count = macs(network)
        rows.append(
            {
                "width": checkpoint.width,
                "size": checkpoint.size,
                "macs": count,
                "published_macs_millions": checkpoint.macs_millions,
                "difference_percent": 100 * (count / 1e6 / checkpoint.macs_millions - 1),
                "parameters": parameters(network),
                "parameters_with_norm": parameters(network, norm=True),
                "published_parameters_millions": checkpoint.parameters_millions,
                "explained": (
                    "equal, decimals cut off"
                    if int(count / 1e6) == checkpoint.macs_millions
                    else "differs"
                ),
            }
        )
    narrow = mobilenet_v2(0.35, 96, classes, narrow_head=True)
    smallest = min(x["macs"] for x in rows)
    return {
        "rows": rows,
        "notes": [
            "The published multiply-adds are ours with the decimals cut off (11.93 M is given as "
            "11): convolutions and classifier, no bias, no normalisation, border pixels at full "
            "price.",
            "The published parameters are weights and the classifier's bias; scale and shift of "
            "the batch normalisations come on top (3.47 M becomes 3.50 M at width 1).",
            f"The paper's text gives 7 M as the smallest network. The smallest checkpoint, 0.35 at "
            f"96, has {smallest / 1e6:.1f} M; {macs(narrow) / 1e6:.1f} M if the last convolution "
            f"shrinks too, but then {parameters(narrow) / 1e6:.1f} M parameters, not the paper's "
            "1.7 M. Neither gives both of its figures.",
            "Table 4 gives 585 M and 6.9 M parameters for width 1.4; its checkpoint has 582 M and "
            "6.06 M, as computed here.",
        ],
    }


def peers(classes: int = 1000) -> list[dict[str, Any]]:
    """Table 4's networks: parameters and multiply-adds, ours beside the paper's."""
    networks = {
        "MobileNetV1": (
            mobilenet_v1(224, classes),
            "the MobileNetV1 paper itself says 569 M, which is ours",
        ),
        "ShuffleNet 1.5x, g=3": (
            shufflenet(1.5, 3, 224, classes),
            "292 M is what it costs with a first convolution that is not widened (24 channels)",
        ),
        "ShuffleNet 2x, g=3": (shufflenet(2, 3, 224, classes), ""),
        "MobileNetV2": (
            mobilenet_v2(1, 224, classes),
            "3.47 M, cut to 3.4 in the paper",
        ),
        "MobileNetV2 1.4": (
            mobilenet_v2(1.4, 224, classes),
            "the published checkpoint has 582 M and 6.06 M",
        ),
    }
    return [
        {
            "network": name,
            "macs": macs(network),
            "published_macs_millions": published.TABLE_4[name].macs_millions,
            "parameters": parameters(network),
            "published_parameters_millions": published.TABLE_4[name].parameters_millions,
            "explained": why,
        }
        for name, (network, why) in networks.items()
    ]


def materialised(operators: Sequence[Operator], at_input: bool = False) -> dict[int, int]:
    """Largest number of channels that must exist in memory, by spatial size (table 3).

    The disposable tensors inside blocks do not count (`Operator.inner`). `at_input`: a block's
    output is booked at the size of the block's *input*, the way the paper's MobileNetV2 column
    reads below 112; else at its own size.
    """
    channels: dict[int, int] = {}
    for _, group in _groups(operators):
        for operator in group:
            if operator.inner:
                continue
            is_block = len(group) > 1
            size = group[0].size if at_input and is_block else operator.size_out
            channels[size] = max(channels.get(size, 0), operator.channels_out)
    return channels


_READINGS = {
    "own size": "channels of the tensors between blocks, each at its own size",
    "block's input": "a strided block's output booked at the size of the block's input",
    "g=2": "ShuffleNet 2x with the channels that its paper has for two groups",
}
_UNEXPLAINED = {
    ("MobileNetV1", 7): "memory: 1024 channels are 100 kB; 199 is twice that",
    ("ShuffleNet 2x, g=3", 112): "2x makes 48 channels of the first convolution's 24; the paper's "
    "own maximum of 600 leaves this line out (pooled at once, it need not exist)",
}


def table_3() -> dict[str, Any]:
    """Table 3: channels and memory per spatial size, under the reading that gives the paper's.

    Each cell has our figure in every reading, the published one, and which reading matches it
    (`None`: no one does, and `why` says what is known).
    """
    v2 = mobilenet_v2()
    readings = {
        "MobileNetV1": {"own size": materialised(mobilenet_v1())},
        "MobileNetV2": {
            "own size": materialised(v2),
            "block's input": materialised(v2, at_input=True),
        },
        "ShuffleNet 2x, g=3": {
            "own size": materialised(shufflenet(2, 3)),
            "g=2": materialised(shufflenet(2, 2)),
        },
    }
    networks = []
    for name, by_reading in readings.items():
        cells: list[dict[str, Any]] = []
        for size, stated in published.TABLE_3[name].items():
            ours = {reading: channels[size] for reading, channels in by_reading.items()}
            matching = next((r for r, c in ours.items() if c == stated.channels), None)
            used = ours[matching or "own size"]
            cells.append(
                {
                    "size": size,
                    "channels": used,
                    "memory_bytes": size * size * used * ACTIVATION_BYTES,
                    "channels_by_reading": ours,
                    "reading": matching,
                    "published_channels": stated.channels,
                    "published_kilobytes": stated.memory,
                    "why": _UNEXPLAINED.get((name, size), ""),
                }
            )
        networks.append(
            {
                "network": name,
                "cells": cells,
                "max_bytes": max(x["memory_bytes"] for x in cells if x["reading"] is not None),
                "published_max_kilobytes": published.TABLE_3_MAX[name],
            }
        )
    return {
        "networks": networks,
        "readings": _READINGS,
        "notes": [
            "Memory is size x size x channels x 2 bytes, in thousands of bytes; the paper rounds "
            "to one or two digits (627 to 600), 31.4 up to 32 and 62.7 down to 62.",
            "What can be thrown away inside a block is not counted, nor MobileNetV2's first and "
            "last convolution (32 channels at 112, 1280 at 7), as if made within their neighbours.",
            "For MobileNetV2 the paper books a strided block's output at the size of the block's "
            "input (56, 28 and 14), but not at 112. At their own sizes the tensors between blocks "
            "are smaller: 24, 32 and 96 channels. The maximum is the same.",
            "ShuffleNet's columns are those of two groups, not three: with g=3 it has 480, 960 and "
            "1920 channels, and those give the 524 M and 5.4 M of table 4.",
        ],
    }
