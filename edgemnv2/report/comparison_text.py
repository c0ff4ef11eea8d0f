"""A comparison for a terminal, and as Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from edgemnv2.report.canvas import kib
from edgemnv2.report.comparison import Change, Comparison, LayerChange, Pair
from edgemnv2.report.figures import FIGURES

__all__ = ["as_markdown", "as_text"]

Row = tuple[str, ...]


def as_text(comparison: Comparison, most_layers: int = 10) -> str:
    """Tables in columns, `most_layers` of each network's layers."""
    parts = []
    for pair in comparison.pairs:
        parts.append(_title(pair))
        parts.append(_columns([("", "before", "after", "change", ""), *_rows(pair)]))
        layers = pair.layers[:most_layers]
        if layers:
            parts.append(_columns([_layer_heads(pair), *_layer_rows(pair, layers)]))
        if len(pair.layers) > len(layers):
            parts.append(f"{len(pair.layers) - len(layers)} more layers changed (--layers)")
        parts.append("")
    parts += _ends(comparison)
    return "\n".join(parts)


def as_markdown(comparison: Comparison, most_layers: int = 10) -> str:
    """The same for a pull request: the verdict, a table a network, layers folded away."""
    parts = [f"### {verdict(comparison)}", ""]
    for pair in comparison.pairs:
        parts += [f"**{_title(pair)}**", ""]
        parts += _markdown([("", "before", "after", "change", ""), *_rows(pair)])
        layers = pair.layers[:most_layers]
        if layers:
            count = len(pair.layers)
            more = f", the {len(layers)} largest changes" if count > len(layers) else ""
            parts += ["", f"<details><summary>{count} layers changed{more}</summary>", ""]
            parts += _markdown([_layer_heads(pair), *_layer_rows(pair, layers)])
            parts += ["", "</details>"]
        parts.append("")
    notes = _ends(comparison)[:-1]
    return "\n".join([*parts, *notes]).rstrip() + "\n"


def verdict(comparison: Comparison) -> str:
    """One line: what the limits say."""
    if comparison.exceeded:
        return "WORSE than allowed"
    if comparison.limits:
        return "within all limits"
    return "no limits given"


def _title(pair: Pair) -> str:
    return pair.after if pair.before == pair.after else f"{pair.before} → {pair.after}"


def _ends(comparison: Comparison) -> list[str]:
    lines = [f"gone       {label}" for label in comparison.gone]
    lines += [f"new        {label}" for label in comparison.added]
    return [*lines, verdict(comparison)]


def _rows(pair: Pair) -> list[Row]:
    rows: list[Row] = [
        (
            FIGURES[change.figure].words,
            _value(change.before, change.figure),
            _value(change.after, change.figure),
            _change_words(change),
            _limit_words(change),
        )
        for change in pair.changes
    ]
    if pair.failed_verification:
        rows.append(("verification", "", "FAILED", "", "EXCEEDED"))
    return rows


def _value(value: float | None, figure: str) -> str:
    if value is None:
        return "-"
    unit = FIGURES[figure].unit
    if unit == "bytes":
        return kib(value)
    if unit == "percent":
        return f"{value:.2f} %"
    return _cost(value, figure)


def _cost(value: float | None, metric: str | None) -> str:
    if value is None:
        return "-"
    return f"{value * 1e3:.3f} ms" if metric == "seconds" else f"{value:,.0f}"


def _change_words(change: Change) -> str:
    difference = change.difference
    if difference is None or change.before is None:
        return ""
    if difference == 0:
        return "same"
    unit = FIGURES[change.figure].unit
    if unit == "percent":
        return f"{difference:+.2f} points"
    if unit == "bytes":
        sign = "+" if difference > 0 else "-"
        return f"{sign}{kib(abs(difference))}{_share(change.before, difference)}"
    if unit == "seconds":
        return f"{difference * 1e3:+.3f} ms{_share(change.before, difference)}"
    return f"{difference:+,.0f}{_share(change.before, difference)}"


def _share(before: float, difference: float) -> str:
    return f" ({100 * difference / before:+.2f} %)" if before else ""


def _limit_words(change: Change) -> str:
    if change.limit is None:
        return ""
    return f"EXCEEDED (allowed {change.limit})" if change.exceeded else f"allowed {change.limit}"


def _layer_heads(pair: Pair) -> Row:
    metric = pair.metric
    return ("layer", f"{metric} before", "after", "change", "kernel") if metric else _KERNELS


_KERNELS = ("layer", "kernel before", "after")


def _layer_rows(pair: Pair, layers: Sequence[LayerChange]) -> list[Row]:
    if pair.metric is None:
        return [(x.layer, x.schedule_before or "-", x.schedule_after or "-") for x in layers]
    rows: list[Row] = []
    for x in layers:
        change = _cost(x.difference, pair.metric)
        sign = "+" if x.difference > 0 else ""
        share = _share(x.before, x.difference) if x.before is not None else ""
        kernel = ""
        if x.schedule_before != x.schedule_after and x.schedule_before and x.schedule_after:
            kernel = f"{x.schedule_before} → {x.schedule_after}"
        if x.exceeded:
            kernel = f"EXCEEDED {kernel}".strip()
        costs = _cost(x.before, pair.metric), _cost(x.after, pair.metric)
        rows.append((x.layer, *costs, f"{sign}{change}{share}", kernel))
    return rows


def _columns(rows: Sequence[Row]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i in (0, last) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _markdown(rows: Sequence[Row]) -> list[str]:
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    rule = ["---", *["---:"] * (len(head) - 2), "---"]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *body)]
