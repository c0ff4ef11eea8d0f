"""What verbs print under --json, shortened: one of each list."""

from __future__ import annotations

from typing import Any

__all__ = ["RESULTS"]

_LAYER = {"name": "block1.depthwise", "op": "depthwise", "macs": 36864}
_CYCLES = {"cycles": 1822.9, "instructions": 1643, "pipeline": 1800.0, "bound": 1646.5,
           "memory": 22.9, "limit": "pipe M4Unit"}  # fmt: skip
_BYTES = {"all": 4321, "weights": 1000, "arena": 2000, "image": 300, "rest": 1021}

RESULTS: dict[str, dict[str, Any]] = {
    "verify": {
        "artifact": "net", "name": "made_up", "target": "mps2-an500", "passed": True, "samples": 2,
        "exact": False, "max_abs_error": 1e-6, "top1_agreement": 100.0, "top1": 90.0, "top5": None,
        "first_divergence": None, "runner": "qemu-system", "reference": "NumPy", "stack_bytes": 408,
        "outputs": [
            {"name": name, "passed": True, "exact": False, "different": 3, "elements": 20,
             "max_abs_error": 1e-6, "tolerance": 2e-4}
            for name in ("a", "b")
        ],
    },
    "bench": {
        "metric": "instructions", "median": 1643075.0, "p95": 1643075.0, "samples": 1, "threads": 1,
        "runner": "qemu-system", "target": "mps2-an500", "artifact": "made_up", "arena_bytes": 6400,
        "constants_bytes": 567984, "code_bytes": 13028, "stack_bytes": 408,
        "layers": [{**_LAYER, "value": 72249.0, "share": 0.04}],
        "against": {"litert": {"median": 2e6, "ratio": 0.8}},
    },
    "cycles": {
        "metric": "cycles", "is_estimate": True, "target": "mps2-an500", "model": "cortex-m7",
        **_CYCLES, "layers": [{**_LAYER, **_CYCLES}],
        "against": {"litert": {"version": "2", "max_abs_error": None, **_CYCLES}}, "notes": ["no"],
    },
    "caches": {
        "metric": "bytes", "target": "rpi4", "threads": 1, "instructions": 5,
        "l1_missed_bytes": _BYTES, "l2_missed_bytes": _BYTES, "written_back_bytes": 7,
    },
    "tune": {
        "tasks": 32, "trials": 124, "records": ["a"], "rejected": 0, "best_before": 4.8e-05,
        "best_after": 4.7e-05, "metric": "seconds", "target": "mps2-an500", "curve": [[1, 5e-5], 4],
    },
    "quantize": {"scheme": "int8", "calibration_samples": 6, "layers": [_LAYER]},
    "run": {
        "artifact": "net",
        "pictures": [
            {"picture": "a.png", "task": "classifier",
             "classes": [{"index": 8, "score": 0.95, "label": "8"}]},
            {"picture": "b.png", "task": "detector",
             "detections": [{"box": [4, 5, 6, 7], "index": 7, "label": "7", "score": 0.9}]},
            {"picture": "c.png", "task": "segmenter", "shares": {"cat": 0.4}},
            {"picture": "d.png", "task": "embedding", "embedding": [0.1],
             "neighbours": [{"name": "e.png", "similarity": 0.9}]},
        ],
    },
}  # fmt: skip
