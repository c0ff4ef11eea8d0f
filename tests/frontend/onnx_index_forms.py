"""Gathers at indices that the network computes, over every axis, counted from either end."""

from __future__ import annotations

import numpy as np

from tests.frontend.onnx_forms import SHAPE, Form, form, longs, normal, number

__all__ = ["INDEX_FORMS"]

INDEX_FORMS: dict[str, Form] = {}


def _indices(extent: int, *shape: int) -> tuple[str, dict[str, object]]:
    """`i`, of `shape`, of whole numbers from `-extent` to `extent - 1`; from the input's first."""
    count = int(np.prod(shape))
    text = (
        "flat = Reshape(x, row) part = Slice(flat, none, count, one) wide = Mul(part, factor) "
        "within = Clip(wide, lowest, largest) whole = Cast<to=7>(within) i = Reshape(whole, extent)"
    )
    constants = {
        "row": longs(1, -1), "none": longs(0), "count": longs(count), "one": longs(1),
        "factor": number(extent / 2), "lowest": number(-extent), "largest": number(extent - 1),
        "extent": longs(*shape),
    }  # fmt: skip
    return text, constants


for _axis in range(-1, 4):
    for _shape in ((3,), (1, 4), ()):
        _text, _constants = _indices(SHAPE[_axis], *_shape)
        INDEX_FORMS[f"Gather over {_axis} at {_shape}"] = form(
            f"{_text} y = Gather<axis={_axis}>(x, i)", **_constants
        )
_text, _constants = _indices(5, 2, 3)
for _table in (normal(5), normal(5, 2), np.arange(5, dtype=np.int64) ** 3):
    INDEX_FORMS[f"Gather of a constant {_table.dtype} {_table.shape}"] = form(
        f"{_text} g = Gather(table, i) y = Cast<to=1>(g)", table=_table, **_constants
    )
for _axes in range(1, 5):
    _text, _constants = _indices(1, 3, _axes)
    # Each axis has extents of its own.
    _extents = np.array(SHAPE[:_axes], np.float32)
    _constants |= {"extent": longs(3, _axes), "extents": _extents, "unit": number(0.999)}
    _text = _text.replace("whole = Cast<to=7>(within) i = Reshape(whole, extent)", "").replace(
        "wide = Mul(part, factor) within = Clip(wide, lowest, largest)",
        "rows = Reshape(part, extent) inside = Clip(rows, lowest, unit) "
        "wide = Mul(inside, extents) i = Cast<to=7>(wide)",
    )
    INDEX_FORMS[f"GatherND of {_axes} axes"] = form(f"{_text} y = GatherND(x, i)", **_constants)
for _axis in range(4):
    _wanted = [*SHAPE]
    _wanted[_axis] = 2 if _axis else 1
    _text, _constants = _indices(SHAPE[_axis], *_wanted)
    INDEX_FORMS[f"GatherElements over {_axis}"] = form(
        f"{_text} y = GatherElements<axis={_axis}>(x, i)", **_constants
    )
