"""A quantisation on one page: what it cost, a picture of the error by layer, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from edgemnv2.quantizer.quality import GOOD_DB, LayerQuality
from edgemnv2.report.canvas import LEFT, RIGHT, WIDTH, Canvas, coordinate
from edgemnv2.report.table import Cell, badge, number, table, text

__all__ = ["errors_svg", "report_html", "summary_text"]

_FOLDER = Path(__file__).resolve().parent

HEIGHT, TOP, FLOOR = 300, 56, 232
MOST_DB = 60.0
"""The top of the picture; better than this needs no telling apart."""
STEP_DB = 10


def errors_svg(layers: Sequence[LayerQuality], title: str) -> str:
    """Signal to noise of each layer, in the order of the network, as one `<svg>`.

    Bars are the int8 network against the float one; the line above them is what the layer's own
    range would allow, so a gap between the two came from the layers in front.
    """
    canvas = Canvas(HEIGHT, title)
    canvas.text(LEFT, 20, title)
    canvas.text(WIDTH - RIGHT, 20, "signal to noise, dB: higher is better", "soft", "end")
    canvas.text(LEFT, 40, "bars: int8 network against float", "soft")
    canvas.text(WIDTH - RIGHT, 40, "line: this layer's own 256 steps alone", "soft", "end")
    for tick in range(0, int(MOST_DB) + 1, STEP_DB):
        y = _height(tick)
        canvas.line(LEFT, y, WIDTH - RIGHT, y, "mark" if tick == GOOD_DB else "grid")
        canvas.text(LEFT - 8, y + 4, str(tick), "soft", "end")
    pitch = (WIDTH - LEFT - RIGHT) / max(1, len(layers))
    own: list[tuple[float, float]] = []
    for index, layer in enumerate(layers):
        x = LEFT + index * pitch
        y = _height(layer.snr_db)
        kind = "c0" if layer.snr_db >= GOOD_DB else "c1"
        words = f"{layer.name}: {layer.snr_db:.1f} dB, own range {layer.own_snr_db:.1f} dB"
        canvas.rect(x + 0.1 * pitch, y, 0.8 * pitch, FLOOR - y, kind, words)
        own.append((x + 0.5 * pitch, _height(layer.own_snr_db)))
        if _names_block(layers, index):
            place = f"{coordinate(x + 0.5 * pitch)} {FLOOR + 12}"
            canvas.parts.append(
                f'<text class="soft" text-anchor="end" '
                f'transform="translate({place}) rotate(-60)">{escape(_block(layer))}</text>'
            )
    canvas.polyline(own, "curve s2")
    canvas.line(LEFT, FLOOR, WIDTH - RIGHT, FLOOR, "axis")
    return canvas.svg()


def report_html(result: Mapping[str, Any], layers: Sequence[LayerQuality]) -> str:
    """One page that needs nothing else; `result` is `Quantized.to_dict()`."""
    style = (_FOLDER / "report.css").read_text(encoding="utf-8")
    script = (_FOLDER / "report.js").read_text(encoding="utf-8")
    title = f"{result['model']} in int8"
    facts = [[text(name), text(value, wraps=True)] for name, value in _facts(result)]
    headings = ["layer", "kind", "dB", "own range, dB", "weights, dB", "range", "seen", "cut off"]
    rows = [_row(layer) for layer in result["layers"]]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<header><h1>{escape(title)}</h1></header>
<main><section class="panel">
{table(["figure", "value"], facts, "figures")}
<h3>Error by layer</h3>
<figure><div class="scroll">{errors_svg(layers, "Error by layer")}</div></figure>
<h3>Layers, worst first</h3>
{table([*headings, "advice"], rows, "layers")}
</section></main>
<script>
{script}</script>
</body>
</html>
"""


def summary_text(result: Mapping[str, Any]) -> str:
    """The same facts for a terminal, with the three worst layers."""
    facts = _facts(result)
    width = max(len("worst layer"), *(len(name) for name, _ in facts))
    lines = [f"{name:<{width}}  {value}" for name, value in facts]
    for layer in result["layers"][:3]:
        hint = f": {layer['advice']}" if layer["advice"] else ""
        lines.append(f"{'worst layer':<{width}}  {layer['name']} {layer['snr_db']:.1f} dB{hint}")
    return "\n".join(lines)


def _facts(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    samples = (
        f"{result['calibration_samples']} calibrated, {result['evaluation_samples']} evaluated"
    )
    if not result["held_out"]:
        samples += " (the same ones: too few to hold any back)"
    facts = [("model", str(result["model"])), ("scheme", str(result["scheme"]))]
    facts += [("samples", samples), ("preprocess", str(result["preprocess"] or "none"))]
    for name in ("top1", "top5"):
        before, after = result[f"{name}_float"], result[f"{name}_int8"]
        if before is not None:
            facts.append((name.replace("p", "p-"), f"{before:.2f} % float, {after:.2f} % int8"))
    ends = result["outputs"]
    for end in ends:
        # One output needs no name.
        of = "" if len(ends) == 1 else f"{end['name']}: "
        whole = end["output_snr_db"] is None
        if end["agreement"] is not None:
            # Files of earlier versions say of numbers and classes alone.
            same = "the same number" if whole else "same class first"
            same = end.get("agreement_of", same)
            facts.append(("agreement", f"{of}{end['agreement']:.2f} % {same}"))
        if not whole:
            facts.append(("output", f"{of}{end['output_snr_db']:.1f} dB signal to noise"))
    for name, reason in result["stays_float"].items():
        facts.append(("in floats", f"{name}: {reason}"))
    return facts


def _row(layer: Mapping[str, Any]) -> list[Cell]:
    weights = layer["weight_snr_db"]
    poor = layer["snr_db"] < GOOD_DB
    decibels = f"{layer['snr_db']:.1f}"
    return [
        text(layer["name"]),
        text(layer["op"]),
        Cell(badge(decibels, "warn") if poor else decibels, float(layer["snr_db"])),
        number(layer["own_snr_db"], f"{layer['own_snr_db']:.1f}"),
        number(weights, "" if weights is None else f"{weights:.1f}"),
        text(f"{layer['low']:.3g} … {layer['high']:.3g}"),
        text(f"{layer['smallest']:.3g} … {layer['largest']:.3g}"),
        number(layer["clipped_share"], f"{100 * layer['clipped_share']:.3g} %"),
        text(layer["advice"] or "", wraps=True),
    ]


def _height(decibels: float) -> float:
    share = min(max(decibels, 0.0), MOST_DB) / MOST_DB
    return FLOOR - share * (FLOOR - TOP)


def _block(layer: LayerQuality) -> str:
    return layer.name.split(".")[0]


def _names_block(layers: Sequence[LayerQuality], index: int) -> bool:
    return index == 0 or _block(layers[index]) != _block(layers[index - 1])
