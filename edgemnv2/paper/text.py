"""The recomputed paper as text for a terminal of 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["render"]

COLUMNS = 100


def render(content: Mapping[str, Any]) -> str:
    """The text of `edgemnv2 paper`, from the object that `--json` prints."""
    parts = [
        "MobileNetV2: Inverted Residuals and Linear Bottlenecks (arXiv 1801.04381), recomputed",
        *_table_1(content["table1"]),
        *_table_2(content["table2"]),
        *_table_3(content["table3"]),
        *_work(content["work"]),
        *_table_4(content["table4"]),
        *_tasks("Table 5: SSD and SSDLite on MobileNetV2", content["table5"], ""),
        *_tasks("Table 6: detectors on COCO", content["table6"], "mAP, paper"),
        *_tasks("Table 7: DeepLabv3 on PASCAL VOC 2012", content["table7"], "mIoU, paper"),
        *_cost(content["cost"]),
        *_figure_1(content["figure1"]),
    ]
    return "\n".join(parts) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns as wide as they need; figures to the right, words to the left."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    right = [all(_is_figure(row[i]) for row in cells[1:]) for i in range(len(header))]
    lines = [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def _is_figure(cell: str) -> bool:
    return not cell or cell[0].isdigit() or cell[0] in "+-"


def _heading(words: str) -> list[str]:
    return ["", words, "=" * len(words)]


def _notes(notes: Iterable[str]) -> list[str]:
    return [
        line
        for note in notes
        for line in textwrap.wrap(note, COLUMNS, initial_indent="- ", subsequent_indent="  ")
    ]


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _millions(count: float, digits: int = 2) -> str:
    return f"{count / 1e6:.{digits}f}"


def _table_1(block: Mapping[str, Any]) -> list[str]:
    at = block["example"]
    where = ", ".join(f"{key} = {value}" for key, value in at.items() if key != "size")
    return [
        *_heading("Table 1: the bottleneck block, from k to k' channels, stride s, expansion t"),
        *_table(
            ("input", "operator", "output", f"at {at['size']} x {at['size']}, {where}"),
            [
                (
                    x["input"],
                    x["operator"],
                    x["output"],
                    f"{_size(x['input_shape'])} -> {_size(x['output_shape'])}",
                )
                for x in block["operators"]
            ],
        ),
        f"Shortcut: {block['shortcut']}.",
    ]


def _table_2(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        (
            _size(x["input"]),
            x["operator"],
            str(x["t"] or "-"),
            str(x["c"]),
            str(x["n"]),
            str(x["s"]),
            _millions(x["macs"]),
            f"{x['parameters']:,}",
        )
        for x in lines
    ]
    total = sum(x["macs"] for x in lines), sum(x["parameters"] for x in lines)
    rows.append(("total", "", "", "", "", "", _millions(total[0]), f"{total[1]:,}"))
    return [
        *_heading("Table 2: the architecture (each line n times, the first with stride s)"),
        *_table(
            ("input", "operator", "t", "c", "n", "s", "MAdds [M]", "parameters, with norm"), rows
        ),
        "Seventeen bottlenecks; the paper's text speaks of 19.",
    ]


def _table_3(table: Mapping[str, Any]) -> list[str]:
    out = _heading("Table 3: most channels / memory that must exist at each size, 16-bit")
    names = [x["network"] for x in table["networks"]]
    rows = []
    for row, cell in enumerate(table["networks"][0]["cells"]):
        line = [f"{cell['size']} x {cell['size']}"]
        for network in table["networks"]:
            x = network["cells"][row]
            line += [
                f"{x['channels']}/{x['memory_bytes'] / 1000:.1f}",
                f"{x['published_channels']}/{x['published_kilobytes']}",
                x["reading"] or "?",
            ]
        rows.append(line)
    last = ["max"]
    for network in table["networks"]:
        last += [f"{network['max_bytes'] / 1000:.1f}", str(network["published_max_kilobytes"]), ""]
    header = ["size"]
    for name in names:
        header += [name.partition(",")[0], "paper", "reading"]
    out += _table(header, [*rows, last])
    out.append("Readings:")
    out += _notes(f"{name}: {words}" for name, words in table["readings"].items())
    out += _notes(table["notes"])
    out += _notes(
        f"{network['network']}, {x['size']} x {x['size']}: {x['why']}."
        for network in table["networks"]
        for x in network["cells"]
        if x["why"]
    )
    return out


def _work(work: Mapping[str, Any]) -> list[str]:
    return [
        *_heading("Multiply-adds and parameters over width and resolution, in millions"),
        *_table(
            ("width", "size", "MAdds", "published", "by", "parameters", "published", "with norm"),
            [
                (
                    f"{x['width']:.2f}",
                    str(x["size"]),
                    _millions(x["macs"]),
                    str(x["published_macs_millions"]),
                    f"{x['difference_percent']:+.1f} %",
                    _millions(x["parameters"]),
                    f"{x['published_parameters_millions']:.2f}",
                    _millions(x["parameters_with_norm"]),
                )
                for x in work["rows"]
            ],
        ),
        *_notes(work["notes"]),
    ]


def _table_4(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        *_heading("Table 4's networks at 224 x 224, in millions"),
        *_table(
            ("network", "MAdds", "paper", "parameters", "paper", "difference"),
            [
                (
                    x["network"],
                    _millions(x["macs"], 1),
                    str(x["published_macs_millions"]),
                    _millions(x["parameters"]),
                    f"{x['published_parameters_millions']:.1f}",
                    x["explained"],
                )
                for x in rows
            ],
        ),
    ]


def _tasks(title: str, table: Mapping[str, Any], quality: str) -> list[str]:
    """Tables 5 to 7: ours beside the paper's; `quality` heads what only the paper has."""
    rows = []
    for x in table["rows"]:
        ours = ("-", "-")
        if x["macs"] is not None:
            ours = f"{x['macs'] / 1e9:.2f}", _millions(x["parameters"])
        published = f"{x['published_macs_billions']:g}", f"{x['published_parameters_millions']:g}"
        line = [x["network"], ours[0], published[0], ours[1], published[1]]
        rows.append(line + ([f"{x['published_quality']:g}"] if quality else []))
    header = ["network", "MAdds [B]", "paper", "parameters [M]", "paper"]
    return [
        *_heading(title),
        *_table(header + ([quality] if quality else []), rows),
        *_notes(table["notes"]),
    ]


def _cost(cost: Mapping[str, Any]) -> list[str]:
    formulas = cost["formulas"]
    size, d_in, d_out = cost["size"], cost["channels_in"], cost["channels_out"]
    savings = ", ".join(f"{x['saving']:.2f} at {x['channels']}" for x in cost["savings"])
    return [
        *_heading(f"Cost, at {size} x {size} x {d_in} -> {d_out} channels, k = {cost['kernel']}"),
        *_table(
            ("", "formula", "MAdds [M]"),
            [
                (
                    "standard convolution",
                    formulas["standard_convolution"],
                    _millions(cost["standard_convolution"]),
                ),
                (
                    "depthwise separable",
                    formulas["depthwise_separable"],
                    _millions(cost["depthwise_separable"]),
                ),
            ],
        ),
        f"Saved: {savings} channels; the limit is k^2 = 9.",
        "",
        f"Bottleneck, {formulas['bottleneck']}:",
        *_table(
            ("t", "inner", "formula [M]", "layers [M]", "what it is"),
            [
                (
                    f"{x['t']:g}",
                    str(x["inner_channels"]),
                    _millions(x["formula"]),
                    _millions(x["exact"]),
                    x["reading"],
                )
                for x in cost["bottlenecks"]
            ],
        ),
        *_notes(
            [
                "At t = 1 the network leaves the expansion out, so its layers cost less than the "
                "formula; with a stride the formula counts too much behind the depthwise."
            ]
        ),
    ]


def _figure_1(figure: Mapping[str, Any]) -> list[str]:
    return [
        *_heading("Figure 1: a spiral in n dimensions by a random matrix, ReLU, projected back"),
        *_table(
            ("n", "collapsed", "error"),
            [
                (str(x["n"]), f"{100 * x['collapsed']:.0f} %", f"{100 * x['error']:.0f} %")
                for x in figure["panels"]
            ],
        ),
        *_notes(
            [
                "Collapsed: share of the spiral where fewer than two inner units are active, so "
                "that its surroundings fall onto a line or a point. Error: mean distance to the "
                "original over its mean radius, after the best scaling. Few dimensions lose "
                f"information for good, many keep it, bent (seed {figure['seed']}; "
                "--plot FILE.svg draws it)."
            ]
        ),
    ]
