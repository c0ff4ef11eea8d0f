"""The report's page: one HTML document that needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from edgemnv2.errors import ArtifactError
from edgemnv2.firmware.web import inline_network, joined_modules, panel, panel_style
from edgemnv2.manifest import LayerRecord, Manifest
from edgemnv2.report.answers import task_html
from edgemnv2.report.canvas import TIMES, kib, si
from edgemnv2.report.labels import labels
from edgemnv2.report.layer_chart import layers_svg
from edgemnv2.report.load import Result, Subject
from edgemnv2.report.memory_plot import memory_svg
from edgemnv2.report.plots import block_of, macs_svg, sizes_svg
from edgemnv2.report.results import cost_words, layer_costs, results_html, verdict
from edgemnv2.report.table import Cell, badge, number, table, text
from edgemnv2.version import __version__

__all__ = ["page"]

SCHEMA = 1
_FOLDER = Path(__file__).resolve().parent


def page(subjects: Sequence[Subject], others: Sequence[Result]) -> str:
    """The whole document; `others` are results that belong to none of the artefacts."""
    style = (_FOLDER / "report.css").read_text(encoding="utf-8")
    script = (_FOLDER / "report.js").read_text(encoding="utf-8")
    networks = _networks(subjects)
    title = "edgemnv2: " + ", ".join(subject.label for subject in subjects)
    parts = [_compared(subjects)] if len(subjects) > 1 else []
    parts += [_artifact(index, subject) for index, subject in enumerate(subjects)]
    if others:
        parts.append(
            f'<section class="panel"><h2>Other results</h2>{results_html(others)}</section>'
        )
    count = f"{len(subjects)} artefact" + ("s" if len(subjects) != 1 else "")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>
{style}{panel_style() if networks else ""}</style>
</head>
<body>
<header><h1>What was compiled, and how it does</h1>
<p class="faint">{count}, edgemnv2 {__version__}</p></header>
<main>
{"".join(parts)}
</main>
<footer>Everything on this page is also in its JSON block, the element
<code>#edgemnv2-report</code>.</footer>
<script type="application/json" id="edgemnv2-report">{_embedded(subjects, others)}</script>
<script>
{script}</script>{networks}
</body>
</html>
"""


def _networks(subjects: Sequence[Subject]) -> str:
    """The script that runs what can be run in a page; empty where there is nothing."""
    calls = [
        "window.edgemnv2 = "
        f'openPage(document.getElementById("try-{index}"), {inline_network(subject.network)});'
        for index, subject in enumerate(subjects)
        if subject.network is not None
    ]
    if not calls:
        return ""
    script = "\n".join([joined_modules(), *calls])
    return f'\n<script type="module">\n{script}\n</script>'


def _embedded(subjects: Sequence[Subject], others: Sequence[Result]) -> str:
    """All data of the page as JSON that no content can break out of."""

    def listed(results: Sequence[Result]) -> list[dict[str, Any]]:
        return [{"kind": r.kind, "file": r.file, "content": r.content} for r in results]

    content = {
        "schema": SCHEMA,
        "version": __version__,
        "artifacts": [
            {
                "folder": subject.folder,
                "manifest": subject.content,
                "memory_plan": subject.plan,
                "results": listed(subject.results),
            }
            for subject in subjects
        ],
        "other_results": listed(others),
    }
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")


# -- several artefacts ---------------------------------------------------------------------------


def _size(value: Any) -> Cell:
    return number(value, "" if value is None else kib(value))


def _compared(subjects: Sequence[Subject]) -> str:
    rows = []
    for index, (subject, label) in enumerate(zip(subjects, labels(subjects), strict=True)):
        m = subject.manifest
        verified, benched = subject.of_kind("verify"), subject.of_kind("bench")
        counts = _schedule_counts(subject)
        link = f'<a href="#artifact-{index}">{escape(label)}</a>'
        cost: Cell = text(None)
        estimated = subject.of_kind("cycles")
        if benched:
            x = benched[0].content
            cost = Cell(escape(cost_words(x["median"], str(x["metric"]))), float(x["median"]))
        elif estimated:
            cycles = float(estimated[0].content["cycles"])
            cost = number(cycles, f"{si(cycles)} cycles, estimated")
        rows.append(
            [
                Cell(link, wraps=True),
                *([text(m.target)] if label != m.target else [text(m.name)]),
                _size(m.arena_bytes),
                _size(m.arena_lower_bound_bytes or None),
                _size(m.stream_arena_bytes or None),
                _size(m.constants_bytes or None),
                _size(m.code_bytes or None),
                number(m.macs or None, si(m.macs)),
                number(counts["tuned"], str(counts["tuned"])),
                number(counts["fallback"], str(counts["fallback"])),
                Cell(verdict(verified[0]) if verified else ""),
                cost,
            ]
        )
    by_target = labels(subjects) == [subject.manifest.target for subject in subjects]
    headings = [
        *(("target", "name") if by_target else ("name", "target")),
        "arena",
        "lower bound",
        "by rows",
        "constants",
        "code",
    ]
    headings += ["MACs", "tuned", "plain loops", "verified", "one inference"]
    manifests = [subject.manifest for subject in subjects]
    picture = sizes_svg(list(zip(labels(subjects), manifests, strict=True)))
    return (
        f'<section class="panel"><h2>Side by side</h2>{table(headings, rows, "side by side")}'
        f'<h3>Sizes</h3><figure class="scroll">{picture}</figure></section>'
    )


# -- one artefact --------------------------------------------------------------------------------


def _schedule_kind(schedule: str) -> str:
    """`default`, `fallback`, or `tuned` for a tuning record's id."""
    return schedule if schedule in ("default", "fallback") else "tuned"


_WORDS = {"tuned": "tuned", "default": "by default", "fallback": "plain loops"}
"""Kinds of schedules, as `compile` calls them."""


def _schedule_counts(subject: Subject) -> dict[str, int]:
    counts = {"tuned": 0, "default": 0, "fallback": 0}
    for kernel in subject.manifest.kernels:
        counts[_schedule_kind(kernel.schedule or "default")] += 1
    return counts


def _artifact(index: int, subject: Subject) -> str:
    m = subject.manifest
    source = m.model.source or m.model.name
    parts = [
        f'<section class="artifact" id="artifact-{index}">',
        f"<h2>{escape(m.name)} <span class='faint'>for {escape(m.target)}</span></h2>",
        f'<p class="faint">from {escape(source)}, folder {escape(subject.folder)}</p>',
        _cards(subject),
        task_html(m.task),
        _try_it(index, subject),
        results_html(subject.results),
        _ends(m),
        _chain(m.layers),
    ]
    if subject.plan is not None:
        try:
            parts.append(_memory(subject.plan, "Memory"))
            if subject.plan.get("stream") and m.stream_arena_bytes != m.arena_bytes:
                parts.append(_memory(subject.plan["stream"], "Memory when the caller feeds rows"))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"{subject.folder}/memory_plan.json: its parts contradict each other "
                f"({type(error).__name__}); compile the model again"
            ) from error
    costs = layer_costs(subject)
    entries = [{"name": x.name, "op": x.op, "out": x.output, "macs": x.macs} for x in m.layers]
    if m.macs or any(layer.macs for layer in m.layers):
        parts.append(_figure("Work", macs_svg(entries), "Hover for the single layers."))
    for metric, of_layers in costs.items():
        with_costs = [{**entry, metric: of_layers.get(str(entry["name"]))} for entry in entries]
        said = "Estimated, no time." if metric == "cycles" else "As measured by bench."
        parts.append(_figure(f"Cost, {metric}", macs_svg(with_costs, metric, metric), said))
        caption = "A layer that is fused into another has its work in that one's bar."
        parts.append(
            _figure(f"{metric.capitalize()} by layer", layers_svg(with_costs, metric), caption)
        )
    if m.layers:
        parts.append(_layers(subject, costs))
    return "\n".join([*parts, "</section>\n"])


def _try_it(index: int, subject: Subject) -> str:
    if subject.network is None:
        return ""
    return f'<h3>Try it</h3><div id="try-{index}">{panel()}</div>'


def _figure(title: str, svg: str, caption: str) -> str:
    return (
        f'<h3>{escape(title)}</h3><figure><div class="scroll">{svg}</div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _cards(subject: Subject) -> str:
    m = subject.manifest
    cards: list[tuple[str, str, str]] = []
    bound = m.arena_lower_bound_bytes
    above = f"{100 * (m.arena_bytes / bound - 1):.1f} % above the bound" if bound else ""
    cards.append(("Arena", kib(m.arena_bytes), above))
    if m.stream_arena_bytes and m.stream_arena_bytes != m.arena_bytes:
        cards.append(("Arena, by rows", kib(m.stream_arena_bytes), "image handed over row by row"))
    if m.constants_bytes or m.code_bytes:
        both = f"{kib(m.constants_bytes)} constants, {kib(m.code_bytes)} code"
        cards.append(("Flash", kib(m.constants_bytes + m.code_bytes), both))
    if m.macs:
        cards.append(("Multiply-accumulates", si(m.macs), f"{len(m.layers)} layers"))
    counts = _schedule_counts(subject)
    if sum(counts.values()):
        some = ", ".join(f"{count} {_WORDS[kind]}" for kind, count in counts.items() if count)
        cards.append(("Kernels", str(sum(counts.values())), some))
    verified = subject.of_kind("verify")
    if verified:
        x = verified[0].content
        words = "differs" if not x["passed"] else "exact" if x.get("exact") else "passed"
        cards.append(("Verified", words, f"{x['samples']} samples, {x.get('runner', '')}"))
    for result in subject.of_kind("bench")[:1]:
        x = result.content
        cost = cost_words(x["median"], str(x["metric"]))
        cards.append(("One inference", cost, f"median, {x.get('runner', '')}"))
    for result in subject.of_kind("cycles")[:1]:
        x = result.content
        cards.append(("Cycles, estimated", si(x["cycles"]), f"limit: {x['limit']}"))
    body = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}"
        + (f"<small>{escape(note)}</small>" if note else "")
        + "</dd></div>"
        for name, value, note in cards
    )
    return f'<dl class="cards">{body}</dl>'


def _shape_words(shape: Sequence[int]) -> str:
    return TIMES.join(map(str, shape)) if any(shape) else ""


def _ends(manifest: Manifest) -> str:
    """Inputs and outputs with their quantisation."""
    rows = [
        [
            text(end),
            text(tensor.name),
            text(tensor.dtype),
            text(_shape_words(tensor.shape)),
            number(tensor.scale, "" if tensor.scale is None else f"{tensor.scale:.9g}"),
            number(tensor.zero_point, str(tensor.zero_point)),
        ]
        for end, tensors in (("input", manifest.inputs), ("output", manifest.outputs))
        for tensor in tensors
    ]
    if not rows:
        return ""
    headings = ["end", "name", "dtype", "shape", "scale", "zero point"]
    return f"<h3>Inputs and outputs</h3>{table(headings, rows, 'inputs and outputs')}"


def _chain(layers: Sequence[LayerRecord]) -> str:
    """The network as a chain of blocks, each with the shape it makes."""
    items = []
    for name, run in groupby(layers, key=lambda layer: block_of(layer.name)):
        group = list(run)
        ops = [layer.op for layer in group]
        inside = " + ".join(dict.fromkeys(ops)) if len(ops) > 1 else ops[0]
        if "add" in ops and len(ops) > 1:
            inside = inside.replace(" + add", ", residual")
        taken = group[0].inputs[0] if group[0].inputs else (0, 0, 0)
        made = group[-1].output
        stride = taken[0] // made[0] if 1 < made[0] < taken[0] else 1
        reduced = f" /{stride}" if stride > 1 else ""
        shape = f"<br>{_shape_words(made)}{reduced}" if any(made) else ""
        items.append(
            f"<li><b>{escape(name)}</b><span class='faint'>{escape(inside)}</span>{shape}</li>"
        )
    if not items:
        return ""
    return f'<h3>Network</h3><ol class="chain">{"".join(items)}</ol>'


def _memory(plan: Mapping[str, Any], title: str) -> str:
    """The picture of one plan, and what is live at its peak."""
    caption = (
        "A rectangle is a row of a tensor: as high as its bytes, from the step that makes it to "
        "the last that reads it. Colours only tell neighbours apart; hover for names."
    )
    figure = _figure(title, memory_svg(plan), caption)
    live = _live_at_peak(plan)
    if not live:
        return figure
    rows = [
        [text(name), number(rows, str(rows)), number(size_bytes, kib(size_bytes))]
        for name, rows, size_bytes in live
    ]
    total = kib(sum(size_bytes for _, _, size_bytes in live))
    return (
        f"{figure}<h3>Live at the peak, {total}</h3>"
        f"{table(['tensor', 'rows', 'bytes'], rows, 'live at the peak')}"
    )


def _live_at_peak(plan: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """`(name, rows, bytes)` of what is live at the plan's peak step, largest first."""
    peak = plan.get("peak_step")
    if peak is None:
        return []
    live = []
    for tensor in plan.get("tensors") or ():
        if tensor.get("external"):
            continue
        rows = sum(f <= peak <= e for f, e in zip(tensor["first"], tensor["last"], strict=True))
        if rows:
            live.append((str(tensor["name"]), rows, rows * int(tensor["row_bytes"])))
    steps, ops = plan.get("steps") or (), plan.get("ops") or ()
    op = steps[peak][0] if peak < len(steps) else -1
    if 0 <= op < len(ops) and ops[op].get("scratch_bytes"):
        live.append((f"scratch of {ops[op]['name']}", 1, int(ops[op]["scratch_bytes"])))
    return sorted(live, key=lambda item: (-item[2], item[0]))


def _layers(subject: Subject, costs: Mapping[str, Mapping[str, float]]) -> str:
    """Every layer: shapes, work, the schedule its kernel got, its cost where one was measured."""
    layers = subject.manifest.layers
    by_name = {
        name: kernel for kernel in subject.manifest.kernels for name in (*kernel.fuses, kernel.name)
    }
    total = sum(layer.macs for layer in layers) or 1
    kinds = {"tuned": "good", "fallback": "warn", "default": ""}
    rows = []
    for index, layer in enumerate(layers):
        name, macs = layer.name, layer.macs
        kernel = by_name.get(name)
        schedule = "" if kernel is None else kernel.schedule
        kind = _schedule_kind(schedule)
        words = _WORDS[kind] if kind == schedule else f"{kind}: {schedule}"
        decisions = {} if kernel is None else kernel.decisions
        row = [
            number(index, str(index)),
            text(name),
            text(layer.op),
            text(_shape_words(layer.inputs[0] if layer.inputs else ())),
            text(_shape_words(layer.output)),
            number(macs, si(macs)),
            number(macs / total, f"{100 * macs / total:.1f} %"),
            Cell(badge(words, kinds[kind]) if schedule else ""),
            text(", ".join(f"{k}={v}" for k, v in decisions.items()), wraps=True),
        ]
        for at, (metric, of_layers) in enumerate(costs.items(), 7):
            cost = of_layers.get(name)
            row.insert(at, number(cost, "" if cost is None else cost_words(cost, metric)))
        rows.append(row)
    headings = ["#", "layer", "op", "in", "out", "MACs", "share", "schedule", "decisions"]
    headings[7:7] = costs
    return f"<h3>Layers</h3>{table(headings, rows, 'layers')}"
