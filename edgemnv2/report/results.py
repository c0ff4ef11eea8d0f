"""The parts of a report that show what verify, bench, tune and other verbs found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from edgemnv2.report.answers import agreement_html, pictures_html
from edgemnv2.report.load import Result, Subject
from edgemnv2.report.plots import line_svg
from edgemnv2.report.table import Cell, badge, number, table, text
from edgemnv2.runners.cache_model import KINDS

__all__ = ["cost_words", "layer_costs", "results_html", "verdict"]

_MISSED = ("all", *KINDS)
"""What missed bytes `bench --caches` tells apart."""


def cost_words(value: float, metric: str) -> str:
    """A cost with its own unit; seconds as ms or us, counts with separators."""
    if metric != "seconds":
        return f"{value:,.0f} {metric}"
    return f"{value * 1e3:.3f} ms" if value >= 1e-3 else f"{value * 1e6:.1f} us"


def verdict(result: Result) -> str:
    """A badge: exact, within tolerance, or different."""
    content = result.content
    if not content["passed"]:
        return badge("differs", "bad")
    return badge("exact" if content.get("exact") else "within tolerance", "good")


def _divergence_words(divergence: Any) -> str:
    """The first layer that differs, in words; nothing where none does."""
    if divergence is None:
        return ""
    if isinstance(divergence, Mapping):
        return ", ".join(f"{key} {value}" for key, value in divergence.items())
    return str(divergence)


def _percent(value: float | None) -> Cell:
    """A share that is already in per cent."""
    return number(value, "" if value is None else f"{value:.2f} %")


def _verify(results: Sequence[Result]) -> str:
    rows = []
    for result in results:
        x = result.content
        error = x.get("max_abs_error")
        rows.append(
            [
                Cell(verdict(result)),
                number(x["samples"], f"{x['samples']:,}"),
                number(error, "" if error is None else f"{error:.3g}"),
                _percent(x.get("top1_agreement")),
                _percent(x.get("top1")),
                _percent(x.get("top5")),
                text(_divergence_words(x.get("first_divergence")) or "none"),
                text(x.get("runner")),
                text(x.get("reference")),
                text(result.file),
            ]
        )
    headings = ["result", "samples", "largest error", "same top-1", "top-1", "top-5"]
    headings += ["first divergence", "runner", "reference", "file"]
    whole = f"<h3>Verification</h3>{table(headings, rows, 'verification')}"
    return whole + agreement_html(results)


def _bench(results: Sequence[Result]) -> str:
    rows = []
    for result in results:
        x = result.content
        metric = str(x["metric"])
        against = x.get("against") or {}
        p95 = x.get("p95")
        rows.append(
            [
                text(metric),
                number(x["median"], cost_words(x["median"], metric)),
                number(p95, "" if p95 is None else cost_words(p95, metric)),
                number(x.get("samples"), str(x.get("samples"))),
                number(x.get("threads"), str(x.get("threads"))),
                text(x.get("runner")),
                text(
                    "; ".join(
                        f"{peer} {cost_words(y['median'], metric)}, ratio {y['ratio']:.2f}"
                        for peer, y in against.items()
                        if None not in (y.get("median"), y.get("ratio"))
                    )
                ),
                text(result.file),
            ]
        )
    headings = ["metric", "median", "p95", "samples", "threads", "runner", "peers (ours / theirs)"]
    note = (
        '<p class="faint small">Instructions counted in an emulator are exact and repeatable, '
        "but they are not a time.</p>"
        if any(r.content["metric"] == "instructions" for r in results)
        else ""
    )
    return f"<h3>Cost of one inference</h3>{table([*headings, 'file'], rows, 'cost')}{note}"


def _cycles(results: Sequence[Result]) -> str:
    rows = []
    for result in results:
        x = result.content
        for engine, y in (("edgemnv2", x), *(x.get("against") or {}).items()):
            ratio = x["cycles"] / y["cycles"] if y is not x else None
            rows.append(
                [
                    text(engine),
                    *(_count_cell(y.get(k)) for k in ("cycles", "pipeline", "bound", "memory")),
                    _count_cell(y.get("instructions")),
                    text(y.get("limit")),
                    number(ratio, "" if ratio is None else f"{ratio:.3f}"),
                    text(result.file),
                ]
            )
    headings = ["engine", "cycles", "pipeline", "bound", "memory", "instructions", "limit"]
    models = ", ".join(dict.fromkeys(str(r.content.get("model")) for r in results))
    note = (
        f'<p class="faint small">An estimate by a model of {escape(models)}, which is no time: '
        "pipeline and memory add up to cycles; bound is what is left where order does not matter."
        "</p>"
    )
    body = table([*headings, "ours / theirs", "file"], rows, "cycles")
    return f"<h3>Estimated cycles of one inference</h3>{body}{note}"


def _caches(results: Sequence[Result]) -> str:
    rows = []
    for result in results:
        x = result.content
        for level in ("l1_missed_bytes", "l2_missed_bytes"):
            parts = x.get(level)
            if isinstance(parts, Mapping):
                rows.append(
                    [
                        text(level.split("_")[0].upper()),
                        *(_count_cell(parts.get(k)) for k in _MISSED),
                        text(result.file),
                    ]
                )
    headings = ["cache", *_MISSED, "file"]
    return f"<h3>Bytes missed in the caches</h3>{table(headings, rows, 'caches')}"


def _count_cell(value: Any) -> Cell:
    return number(value, "" if value is None else f"{value:,.0f}")


def _curve(content: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Best cost so far over trials, from `curve`: costs in order, or pairs (trial, cost)."""
    points: list[tuple[float, float]] = []
    for index, entry in enumerate(content.get("curve") or ()):
        trial, cost = entry if isinstance(entry, Sequence) else (index + 1, entry)
        points.append((float(trial), min(float(cost), points[-1][1] if points else float(cost))))
    return points


def _tune(results: Sequence[Result]) -> str:
    parts = []
    rows = []
    for result in results:
        x = result.content
        metric = str(x.get("metric", ""))
        before, after = x.get("best_before"), x.get("best_after")
        gain = before / after if before and after else None
        rows.append(
            [
                number(_count(x.get("tasks")), str(_count(x.get("tasks")))),
                number(x["trials"], str(x["trials"])),
                number(_count(x["records"]), str(_count(x["records"]))),
                number(_count(x.get("rejected")), str(_count(x.get("rejected")))),
                number(before, "" if before is None else cost_words(before, metric)),
                number(after, "" if after is None else cost_words(after, metric)),
                number(gain, "" if gain is None else f"{gain:.2f} times"),
                text(result.file),
            ]
        )
        points = _curve(x)
        if len(points) > 1:
            title = f"Best cost over trials ({result.file})"
            parts.append(
                f'<figure class="scroll">{line_svg(points, title, "trial", metric)}</figure>'
            )
    headings = ["tasks", "trials", "records", "rejected", "before", "after", "gain", "file"]
    return f"<h3>Tuning</h3>{table(headings, rows, 'tuning')}{''.join(parts)}"


def _count(value: Any) -> int | None:
    """A count, or the length of what is listed."""
    return len(value) if isinstance(value, Sequence | Mapping) else value


def _other(result: Result) -> str:
    rows = [
        [text(key), text(value if isinstance(value, str | int | float) else repr(value), True)]
        for key, value in result.content.items()
    ]
    return f"<h3>{escape(result.file)}</h3>{table(['key', 'value'], rows, result.file)}"


def results_html(results: Sequence[Result]) -> str:
    """All results, verb by verb."""
    makers = (
        ("run", pictures_html),
        ("verify", _verify),
        ("bench", _bench),
        ("cycles", _cycles),
        ("caches", _caches),
        ("tune", _tune),
    )
    parts = []
    for kind, maker in makers:
        chosen = [result for result in results if result.kind == kind]
        if chosen:
            parts.append(maker(chosen))
    known = {kind for kind, _ in makers}
    parts += [_other(result) for result in results if result.kind not in known]
    return "\n".join(parts)


def layer_costs(subject: Subject) -> dict[str, dict[str, float]]:
    """Cost per layer by metric: of each metric from the first result that has `layers` with it.

    An estimate of cycles has the instructions that it was made from.
    """
    found: dict[str, dict[str, float]] = {}
    for result in (*subject.of_kind("bench"), *subject.of_kind("cycles")):
        metric = str(result.content["metric"])
        own: dict[str, tuple[str, ...]] = {metric: (metric, "median", "value")}
        if result.kind == "cycles":
            own["instructions"] = ("instructions",)
        for name, keys in own.items():
            costs = _costs(result.content.get("layers") or (), keys)
            if costs:
                found.setdefault(name, costs)
    return found


def _costs(layers: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> dict[str, float]:
    """Of the layers that have one of `keys`, the first."""
    costs = {}
    for layer in layers:
        value = next((layer[key] for key in keys if key in layer), None)
        if value is not None and "name" in layer:
            costs[str(layer["name"])] = float(value)
    return costs
