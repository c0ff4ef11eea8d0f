"""What a network may take and give: settled before its operators are read, for every format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgemnv2.errors import DynamicShape, ModelError, UsageError, counted

__all__ = ["InputShapes", "check_input", "check_names", "check_output", "settled_shape"]

InputShapes = Mapping[str, Sequence[int]]
"""Shapes that the user gives for inputs by their names in the file, batch included."""

INPUT_TYPES = ("float32", "int8", "uint8")
OUTPUT_TYPES = (*INPUT_TYPES, "int32", "int64")
MOST_DIMENSIONS = 4
IMAGE_DIMENSIONS = 4


def check_names(
    inputs: Sequence[str], outputs: Sequence[str], wanted: InputShapes, file: str
) -> None:
    """There are inputs and outputs, none twice, and `wanted` names inputs only."""
    for what, names in (("input", inputs), ("output", outputs)):
        if not names:
            raise ModelError(f"{file}: the model has no {what}s (must have 1 or more)")
        for name in names:
            if names.count(name) > 1:
                raise ModelError(
                    f"{file}: {what} {name!r} is listed {names.count(name)} times (must be once); "
                    "export the model with each of them once"
                )
    for name in wanted:
        if name not in inputs:
            listed = ", ".join(repr(x) for x in inputs)
            raise UsageError(
                f"input_shapes={name}: {file} has no such input (it has {listed}); name one of them"
            )


def check_input(name: str, dtype: str, rank: int, file: str, verb: str) -> None:
    """An input's type and number of dimensions are ones that we compile.

    `verb` is what the user does to make such a file: export, convert.
    """
    if dtype not in INPUT_TYPES:
        how = "the model in float32" if verb == "export" else "the model with float or 8-bit input"
        raise ModelError(
            f"{file}: input {name!r} has type {dtype} (must be float32, int8 or uint8); "
            f"{verb} {how}"
        )
    if not 1 <= rank <= MOST_DIMENSIONS:
        raise ModelError(
            f"{file}: input {name!r} has {counted(rank, 'dimension')} (must be 1 to "
            f"{MOST_DIMENSIONS}; an image has 4, [1, C, H, W] or [1, H, W, C]); {verb} the model "
            "with such an input"
        )


def check_output(name: str, dtype: str, file: str) -> None:
    """An output's type is one that we compile."""
    if dtype not in OUTPUT_TYPES:
        raise ModelError(
            f"{file}: output {name!r} has type {dtype} (must be one of {', '.join(OUTPUT_TYPES)}); "
            "cut the model in front of it, or cast it"
        )


def settled_shape(
    name: str,
    dims: Sequence[int | str],
    wanted: Sequence[int] | None,
    file: str,
    verb: str,
) -> tuple[int, ...]:
    """The shape of an input as numbers, batch 1; `dims` has the names of those that are symbols.

    `wanted` is the user's shape for it. Without one a symbolic first dimension is the batch; any
    other raises DynamicShape. Raises ModelError for several images, UsageError for a shape of the
    user's that contradicts the file.
    """
    if wanted is not None:
        return _wanted_shape(name, dims, wanted, file)
    shape = []
    for index, extent in enumerate(dims):
        if isinstance(extent, int):
            shape.append(extent)
        elif index == 0 and len(dims) > 1:
            shape.append(1)
        else:
            symbol = f" ({extent!r})" if extent else ""
            must = (
                "height, width and channels must be numbers"
                if len(dims) == IMAGE_DIMENSIONS
                else "all but the batch must be numbers"
            )
            # Inner shapes of a TFLite file are stored; only other formats can follow another size.
            remedy = ", or give it with input_shapes=" if verb == "export" else ""
            raise DynamicShape(
                f"{file}: input {name!r}: dimension {index}{symbol} is not fixed; {must}: "
                f"{verb} the model with a fixed input size{remedy}"
            )
    if len(shape) == IMAGE_DIMENSIONS and shape[0] != 1:
        allowed = "1 or a symbol" if verb == "export" else "1"
        raise ModelError(
            f"{file}: input {name!r} holds {shape[0]} images (must be {allowed}); {verb} the model "
            "with batch 1"
        )
    return tuple(shape)


def _wanted_shape(
    name: str, dims: Sequence[int | str], wanted: Sequence[int], file: str
) -> tuple[int, ...]:
    text = f"input_shapes={name}={','.join(map(str, wanted))}"
    shape = tuple(int(extent) for extent in wanted)
    if len(shape) != len(dims):
        raise UsageError(
            f"{text}: has {counted(len(shape), 'dimension')}, the input of {file} {len(dims)}"
        )
    if min(shape, default=1) < 1:
        raise UsageError(f"{text}: every dimension must be 1 or more")
    if len(shape) == IMAGE_DIMENSIONS and shape[0] != 1:
        raise UsageError(
            f"{text}: holds {shape[0]} images (must be 1): an inference is of one image; call it "
            f"{shape[0]} times"
        )
    for index, (mine, extent) in enumerate(zip(shape, dims, strict=True)):
        if isinstance(extent, int) and extent != mine:
            raise UsageError(
                f"{text}: dimension {index} of the input is {extent} in {file} (only symbolic "
                "dimensions can be chosen); leave it so, or export the model again"
            )
    return shape
