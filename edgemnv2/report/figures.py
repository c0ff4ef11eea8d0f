"""The figures of networks, read from whatever holds them: artefacts, JSON of verbs, reports.

A side of a comparison is one path: an artefact's folder, a `.json` or `.jsonl` file with what
`compile`, `verify` and `bench` print under `--json`, a page that `report` wrote, or a folder with
such files. All that is said of one network on one target is put together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgemnv2.errors import InputError, reason
from edgemnv2.manifest import Manifest, decode
from edgemnv2.report.load import kind_of, load
from edgemnv2.report.shapes import ARTIFACTS, check_shape
from edgemnv2.report.shapes import FIGURES as SHAPE_OF_FIGURES

__all__ = ["FIGURES", "Figure", "LayerFigures", "NetworkFigures", "read_figures"]


@dataclass(frozen=True)
class Figure:
    """One kind of figure: its words, its unit, and whether a larger one is worse."""

    words: str
    unit: str
    larger_is_worse: bool = True


FIGURES: Mapping[str, Figure] = {
    "arena": Figure("arena", "bytes"),
    "stream_arena": Figure("arena, image row by row", "bytes"),
    "stack": Figure("stack", "bytes"),
    "flash": Figure("flash", "bytes"),
    "constants": Figure("of it constants", "bytes"),
    "code": Figure("of it code", "bytes"),
    "instructions": Figure("instructions", "count"),
    "cycles": Figure("cycles", "count"),
    "seconds": Figure("time", "seconds"),
    "top1": Figure("top-1", "percent", False),
    "top5": Figure("top-5", "percent", False),
    "agreement": Figure("same first class as the reference", "percent", False),
}
"""By name, in the order in which they are shown."""
COMPARED = ("verify", "bench", "cycles")
"""Verbs, as `load.Result` calls them, whose results have such figures."""
COSTS = ("instructions", "cycles", "seconds")
ENDINGS = (".json", ".jsonl", ".html")
_BLOCK = re.compile(
    r'<script type="application/json" id="edgemnv2-report">(.*?)</script>', re.DOTALL
)


@dataclass(frozen=True)
class LayerFigures:
    """One layer: costs by name (some of `COSTS`), and where its kernel's decisions come from."""

    costs: Mapping[str, float] = field(default_factory=dict)
    schedule: str | None = None


@dataclass(frozen=True)
class NetworkFigures:
    """One network on one target: figures by the names of `FIGURES`, and its layers by name.

    `passed` is the verdict of a verification, None where there was none.
    """

    name: str
    target: str
    values: Mapping[str, float]
    layers: Mapping[str, LayerFigures]
    passed: bool | None = None

    @property
    def label(self) -> str:
        """`name for target`."""
        return f"{self.name} for {self.target}"


def read_figures(path: Path) -> tuple[NetworkFigures, ...]:
    """The figures that `path` holds, one entry a network and target, sorted by both.

    Raises InputError where there are none or a file is none of ours, ArtifactError for an artefact
    that was changed.
    """
    parts = list(_parts(path))
    if not parts:
        raise InputError(
            f"{path}: holds no figures (expected an artefact, a report, or what compile, verify or "
            "bench print with --json)"
        )
    found: dict[tuple[str, str], NetworkFigures] = {}
    # Those without a name last: an estimate of cycles once knew its target only.
    for part in sorted(parts, key=lambda x: not x.name):
        of_target = [key for key in found if key[1] == part.target]
        if not part.name and len(of_target) != 1:
            raise InputError(
                f"{path}: figures for {part.target} that name no network, beside "
                f"{len(of_target)} networks (expected the one that they are of)"
            )
        key = (part.name, part.target) if part.name else of_target[0]
        found[key] = _joined(found[key], part) if key in found else part
    return tuple(found[key] for key in sorted(found))


def _parts(path: Path) -> Iterator[NetworkFigures]:
    if not path.is_dir():
        yield from _of_file(path)
    elif (path / "manifest.json").is_file():
        subjects, _ = load([path])
        for subject in subjects:
            yield _of_manifest(subject.manifest)
    else:
        for file in sorted(path.iterdir()):
            if file.suffix in ENDINGS or (file / "manifest.json").is_file():
                yield from _parts(file) if file.is_dir() else _of_file(file, alone=False)


def _of_file(path: Path, alone: bool = True) -> Iterator[NetworkFigures]:
    """What a file holds; if not `alone`, it may be of a verb whose figures are not compared."""
    try:
        text = path.read_text(encoding="utf-8")
        block = _BLOCK.search(text) if path.suffix == ".html" else None
        if block is not None:
            objects = [json.loads(block[1])]
        elif path.suffix == ".jsonl":
            objects = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            objects = [json.loads(text)]
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file or folder") from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({reason(error)}); expected JSON of a verb, or a page "
            "of report"
        ) from error
    for content in objects:
        if not isinstance(content, dict):
            raise InputError(f"{path}: not a JSON object, expected what a verb prints with --json")
        kind = kind_of(content)
        if kind in (None, *COMPARED):
            yield from _of_content(content, path)
        elif alone and len(objects) == 1:
            raise InputError(
                f"{path}: what {kind} prints is not compared (expected what compile, verify or "
                "bench print with --json)"
            )


def _of_content(content: Mapping[str, Any], path: Path) -> Iterator[NetworkFigures]:
    """Of one JSON object: a report's, a manifest, or what a verb printed."""
    if "artifacts" in content:
        check_shape(content, ARTIFACTS, str(path))
        for entry in content["artifacts"]:
            manifest = decode(entry["manifest"], str(path), partial=True)
            yield _of_manifest(manifest)
            for result in entry.get("results") or ():
                if result["kind"] in COMPARED:
                    yield _of_result(
                        {**result["content"], "name": manifest.name, "target": manifest.target},
                        path,
                    )
    elif "layers" in content and "kernels" in content:
        yield _of_manifest(decode(content, str(path), partial=True))
    else:
        yield _of_result(content, path)


def _of_manifest(manifest: Manifest) -> NetworkFigures:
    schedules = {
        name: kernel.schedule
        for kernel in manifest.kernels
        for name in (*kernel.fuses, kernel.name)
    }
    return NetworkFigures(
        manifest.name,
        manifest.target,
        _sizes(
            {
                "arena_bytes": manifest.arena_bytes,
                "stream_arena_bytes": manifest.stream_arena_bytes,
                "constants_bytes": manifest.constants_bytes,
                "code_bytes": manifest.code_bytes,
            }
        ),
        {layer.name: LayerFigures({}, schedules.get(layer.name)) for layer in manifest.layers},
    )


def _of_result(content: Mapping[str, Any], path: Path) -> NetworkFigures:
    """Of what `compile`, `verify` or `bench` printed."""
    check_shape(content, SHAPE_OF_FIGURES, str(path))
    name = content.get("name") or Path(str(content.get("artifact") or "")).name
    target = content.get("target")
    estimate = content.get("is_estimate") is True
    if not (name or estimate) or not isinstance(target, str):
        raise InputError(
            f"{path}: says of no network and target (expected what compile, verify or bench print "
            "with --json)"
        )
    values = _sizes(content)
    layers: dict[str, LayerFigures] = {}
    if content.get("stack_bytes"):
        values["stack"] = float(content["stack_bytes"])
    if "metric" in content:
        metric = str(content["metric"])
        if metric not in COSTS:
            raise InputError(f"{path}: a bench of {metric}, expected one of {', '.join(COSTS)}")
        values |= _costs({"value": content.get("median"), **content}, metric)
        for layer in content.get("layers") or ():
            layers[str(layer["name"])] = LayerFigures(_costs(layer, metric))
    for key, figure in (("top1", "top1"), ("top5", "top5"), ("top1_agreement", "agreement")):
        if content.get(key) is not None:
            values[figure] = float(content[key])
    passed = content.get("passed")
    return NetworkFigures(name, target, values, layers, passed)


def _costs(layer: Mapping[str, Any], metric: str) -> dict[str, float]:
    """The measured cost, and others by their own names: an estimate of cycles has instructions."""
    given = {metric: layer.get("value"), **{x: layer[x] for x in COSTS if x in layer}}
    return {name: float(x) for name, x in given.items() if isinstance(x, int | float)}


def _sizes(content: Mapping[str, Any]) -> dict[str, float]:
    """What of the sizes is there; 0 bytes of code mean that nobody measured it."""
    found = {
        name: float(content[f"{name}_bytes"])
        for name in ("arena", "stream_arena", "constants", "code")
        if content.get(f"{name}_bytes")
    }
    if "code" in found and "constants" in found:
        found["flash"] = found["constants"] + found["code"]
    return found


def _joined(a: NetworkFigures, b: NetworkFigures) -> NetworkFigures:
    """Both together; where both say something, the later one counts."""
    layers = dict(a.layers)
    for name, layer in b.layers.items():
        before = layers.get(name, LayerFigures())
        layers[name] = LayerFigures(
            {**before.costs, **layer.costs}, layer.schedule or before.schedule
        )
    verdicts = [x.passed for x in (a, b) if x.passed is not None]
    passed = all(verdicts) if verdicts else None
    return NetworkFigures(a.name, a.target, {**a.values, **b.values}, layers, passed)
