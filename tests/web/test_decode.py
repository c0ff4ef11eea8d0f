"""The decoder of web pages beside its twin in NumPy, on random outputs of every task."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgemnv2.meaning.anchors import ssd_anchors
from edgemnv2.runtime.vision.decode import decode
from edgemnv2.task import Task

Array = np.ndarray[Any, Any]
WEB = Path(__file__).resolve().parents[2] / "edgemnv2" / "runtime" / "web"
NETWORK = WEB / "network.js"
ARRAYS = {"float32": "Float32Array", "int8": "Int8Array", "uint8": "Uint8Array"}
CLOSE = 3e-6
ROWS = 12
USUAL = 0.3
"""The threshold that the tasks here have themselves."""


@dataclass(frozen=True, eq=False)
class Case:
    """A task and its outputs as stored, `[1, H, W, C]` by name."""

    task: Task
    outputs: dict[str, Array]
    quant: tuple[float, int] | None = None

    def records(self) -> list[dict[str, Any]]:
        """As the manifest has the outputs."""
        scale, zero_point = self.quant or (None, None)
        return [
            {
                "name": name,
                "nhwc": list(x.shape[1:]),
                "shape": list(x.shape),
                "dtype": str(x.dtype),
                "scale": scale,
                "zero_point": zero_point,
            }
            for name, x in self.outputs.items()
        ]


def _map(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: str
) -> tuple[Array, tuple[float, int] | None]:
    """Scores, and what they are stored by."""
    if dtype == "float32":
        return rng.normal(0, 2, shape).astype(np.float32), None
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return rng.integers(low, high + 1, shape).astype(dtype), (1 / 16, (low + high + 1) // 2)


def foreground(rng: np.random.Generator, dtype: str) -> Case:
    x, quant = _map(rng, (1, 5, 7, 1), dtype)
    roles = {"foreground": ("out",)}
    return Case(Task("segmenter", "", roles, 2, "sigmoid"), {"out": x}, quant)


def scores_of_pixels(rng: np.random.Generator, dtype: str) -> Case:
    x, quant = _map(rng, (1, 5, 7, 4), dtype)
    return Case(Task("segmenter", "", {"scores": ("out",)}, 4), {"out": x}, quant)


def mask_of_floats(rng: np.random.Generator) -> Case:
    x = rng.integers(0, 4, (1, 5, 7, 1)).astype(np.float32)
    x[0, 0, :5, 0] = 255.5, 300, 1e38, -1e38, -0.5
    return Case(Task("segmenter", "", {"mask": ("out",)}, 4), {"out": x})


def two_classes(rng: np.random.Generator, dtype: str) -> Case:
    x, quant = _map(rng, (1, 1, 1, 1), dtype)
    return Case(Task("classifier", "", {"foreground": ("out",)}, 2, "sigmoid"), {"out": x}, quant)


def classes(rng: np.random.Generator, dtype: str) -> Case:
    x, quant = _map(rng, (1, 1, 1, 9), dtype)
    return Case(Task("classifier", "", {"scores": ("out",)}, 9, "softmax"), {"out": x}, quant)


def grid(rng: np.random.Generator, dtype: str) -> Case:
    x, quant = _map(rng, (1, 6, 9, 3), dtype)
    task = Task("grid", "", {"scores": ("out",)}, 3, "softmax", background=True)
    return Case(task, {"out": x}, quant)


def anchored(rng: np.random.Generator, dtype: str) -> Case:
    anchors = ssd_anchors([(4, 4), (2, 2)])
    outputs, quant = {}, None
    for name, last in (("scores", 5), ("boxes", 4)):
        outputs[name], quant = _map(rng, (1, 1, len(anchors), last), dtype)
    roles = {name: (name,) for name in outputs}
    return Case(Task("detector", "", roles, 5, "sigmoid", anchors=anchors), outputs, quant)


def decoded(rng: np.random.Generator, told: tuple[int, int]) -> Case:
    outputs = {
        "boxes": rng.random((1, 1, ROWS, 4), np.float32),
        "classes": rng.choice([0, 1, 2, -1, 1e38], (1, 1, 1, ROWS)).astype(np.float32),
        "scores": rng.random((1, 1, 1, ROWS), np.float32),
        "count": np.full((1, 1, 1, 1), rng.integers(-1, ROWS // told[1] + 2), np.float32),
    }
    roles = {name: (name,) for name in outputs}
    task = Task("detector", "", roles, 3, "probabilities", classes_a_box=told)
    return Case(task, outputs)


def said_in_node(cases: list[tuple[Case, float | None]], folder: Path) -> list[dict[str, Any]]:
    """What a page's network says of each at its threshold; None for the task's own."""
    given = [
        {
            "task": case.task.to_dict(),
            "tensors": case.records(),
            "outputs": {
                name: [ARRAYS[str(x.dtype)], x.ravel().tolist()] for name, x in case.outputs.items()
            },
            "threshold": threshold,
        }
        for case, threshold in cases
    ]
    (folder / "cases.json").write_text(json.dumps(given))
    (folder / "try.mjs").write_text(
        f"""import fs from "node:fs";
import {{ Network }} from "{NETWORK.as_uri()}";
const cases = JSON.parse(fs.readFileSync({json.dumps(str(folder / "cases.json"))}));
const said = cases.map(({{ task, tensors, outputs, threshold }}) => {{
  const arrays = Object.fromEntries(
    Object.entries(outputs).map(([name, [kind, values]]) => [name, globalThis[kind].from(values)]),
  );
  const network = Object.assign(Object.create(Network.prototype), {{
    facts: {{ task: {{ ...task, threshold: {USUAL} }}, outputs: tensors }},
  }});
  const answer = network.decode(arrays, threshold ?? undefined);
  if (answer.mask) answer.mask.classes = Array.from(answer.mask.classes);
  return answer;
}});
console.log(JSON.stringify(said));
"""
    )
    done = subprocess.run(["node", str(folder / "try.mjs")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def makers() -> list[Callable[[np.random.Generator], Case]]:
    made: list[Callable[[np.random.Generator], Case]] = [mask_of_floats]
    for dtype in ARRAYS:
        for maker in (two_classes, classes, foreground, scores_of_pixels, grid, anchored):
            made.append(lambda rng, maker=maker, dtype=dtype: maker(rng, dtype))
    for told in ((1, 1), (2, 2), (2, 3)):
        made.append(lambda rng, told=told: decoded(rng, told))
    return made


def test_pages_read_outputs_as_numpy_does(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("node")
    rng = np.random.default_rng(0)
    cases = [(make(rng), threshold) for make in makers() for threshold in (0.0, None, 0.8)]
    places = 0
    for (case, threshold), said in zip(cases, said_in_node(cases, tmp_path), strict=True):
        least = USUAL if threshold is None else threshold
        answer = decode(case.task.to_dict(), case.records(), case.outputs, least)
        if answer.mask is not None:
            assert said["mask"]["classes"] == answer.mask.ravel().tolist()
            assert [said["mask"]["height"], said["mask"]["width"]] == list(answer.mask.shape)
            continue
        key = {"classifier": "classes", "grid": "centroids"}.get(case.task.kind, "detections")
        found: Any = getattr(answer, key)
        assert [x["index"] for x in said[key]] == [x.index for x in found]
        for one, other in zip(said[key], found, strict=True):
            ends = ("top", "left", "bottom", "right") if key != "classes" else ()
            for name in (*ends, "score"):
                np.testing.assert_allclose(one[name], getattr(other, name), CLOSE, CLOSE)
        places += len(found)
    assert places > 100


def test_classes_without_a_name_are_told_from_numbers(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("node")
    task = {"labels": ["cat", ""]}
    place = "{ boxToPicture: (ends) => ends, toPicture: (y, x) => [y, x] }"
    none = "classes: [], detections: [], centroids: []"
    found = "{ index, score: 0.5, top: 1, left: 2, bottom: 3, right: 4, y: 5, x: 6 }"
    (tmp_path / "try.mjs").write_text(
        f"""import {{ answerLines }} from "{(WEB / "draw.js").as_uri()}";
const lines = (more) => answerLines({{ {none}, ...more }}, {json.dumps(task)}, {place});
const all = [0, 1, 2].map((index) => ({found}));
const mask = {{ classes: [0, 1, 1, ...Array(2497).fill(2)] }};
const kinds = [{{ classes: all }}, {{ detections: all }}, {{ centroids: all }}, {{ mask }}];
console.log(JSON.stringify(kinds.map(lines)));
"""
    )
    done = subprocess.run(["node", str(tmp_path / "try.mjs")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kinds = json.loads(done.stdout)
    assert len(kinds) == 4
    for lines in kinds[:3]:
        assert [re.split("[,:]", line)[0] for line in lines] == ["cat", "class 1", "class 2"]
    # Most of the picture first, and what is there is not 0 %.
    shares = [line.strip() for line in kinds[3]]
    assert shares == ["99.9 %  class 2", "0.1 %  class 1", "<0.1 %  cat"]
