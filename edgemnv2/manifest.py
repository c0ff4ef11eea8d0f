"""What an artefact says of itself: `manifest.json`, as one frozen value with one form in JSON.

`encode` and `decode` are the only places that know the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from edgemnv2.errors import ArtifactError
from edgemnv2.task import Task, task_from

__all__ = [
    "ArtifactTensor",
    "KernelRecord",
    "LayerRecord",
    "LongestStep",
    "Manifest",
    "ModelId",
    "decode",
    "encode",
]

_T = TypeVar("_T")
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class ArtifactTensor:
    """One input or output: as the source model has it, and as the C interface takes it.

    `shape` and `layout` ("NHWC", "NCHW", "NC", "plain") are the source's; `nhwc` is `(H, W, C)`,
    batch 1. `scale` and `zero_point` are None for tensors that are not quantised.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str
    nhwc: Shape
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class ModelId:
    """The model that was compiled: its name, its file's name or built-in name, and sha256."""

    name: str
    source: str
    sha256: str


@dataclass(frozen=True)
class LayerRecord:
    """One layer of the network: shapes `(H, W, C)`, multiply-accumulates of one inference."""

    name: str
    op: str
    inputs: tuple[Shape, ...]
    output: Shape
    macs: int


@dataclass(frozen=True)
class KernelRecord:
    """One operation of the row program, and the kernel that it runs.

    `schedule` is "default", "fallback", or the identifier of the tuning record that `decisions`
    come from; `fuses` names layers whose work it does besides its own.
    """

    name: str
    op: str
    fuses: tuple[str, ...]
    shape: Shape
    rows_per_step: int
    scratch_bytes: int
    symbol: str
    schedule: str
    decisions: Mapping[str, Any]


@dataclass(frozen=True)
class LongestStep:
    """The step of the row program with most instructions, as `bench --record` counted it.

    It is how long `<name>_step` with a budget of 1 may take; `layer` is the one that it makes.
    """

    layer: str
    instructions: int


@dataclass(frozen=True)
class Manifest:
    """All that an artefact says of itself; see DESIGN for the meaning of sizes."""

    edgemnv2: str
    """The version that compiled it."""
    name: str
    """The C identifier that prefixes everything."""
    target: str
    target_file: Mapping[str, Any]
    model: ModelId
    inputs: tuple[ArtifactTensor, ...]
    outputs: tuple[ArtifactTensor, ...]
    task: Task
    """What the outputs mean, and which pixels the input wants."""
    preprocess: str
    """How images become inputs, unless the user says otherwise."""
    io: str
    dtype: str | None
    """What a float network computes in, where that was asked for."""
    relative_tolerance: float | None
    """Of the largest output; None: what `verify` allows for the output's own type."""
    chains: str
    thread_chains: str
    packed_rows: tuple[str, ...]
    """Tensors whose rows are not plain NHWC of the tensor's own type."""
    arena_bytes: int
    threads: tuple[int, ...]
    """Numbers of threads that there are plans for, 1 among them."""
    threads_arena_bytes: Mapping[int, int]
    arena_align_bytes: int
    arena_lower_bound_bytes: int
    stream_arena_bytes: int
    stream_arena_lower_bound_bytes: int
    constants_bytes: int
    constants_align_bytes: int
    code_bytes: int
    """0 where no compiler was installed to tell."""
    macs: int
    layers: tuple[LayerRecord, ...]
    kernels: tuple[KernelRecord, ...]
    steps: int
    """Of the row program of a whole image, on one thread."""
    longest_step: LongestStep | None = None
    """None where it was not counted."""
    flash: Mapping[str, Any] | None = None
    """On a microcontroller: `budget_bytes` for constants, `least_bytes` that they take in their
    smallest form, and the bytes that were `bought` for speed, by layer."""
    network_records: Mapping[str, str] = field(default_factory=dict)
    """Tuning records that decided about the network as a whole, by what they decided."""
    tuning_notes: tuple[str, ...] = ()
    """What of the tuning log could not be used, and why."""
    notes: tuple[str, ...] = ()
    """What is computed otherwise than the file's framework does it."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """What it was made of and with, as `pipeline.origin` lists it; empty in older artefacts."""
    files: Mapping[str, str] = field(default_factory=dict)
    """sha256 of every other file of the artefact, by its path in it."""
    seal: str = ""
    """sha256 of all of the above."""


def encode(manifest: Manifest) -> dict[str, Any]:
    """The JSON object, without schema, files and seal, which the writer adds."""
    return {
        "edgemnv2": manifest.edgemnv2,
        "name": manifest.name,
        "target": manifest.target,
        "target_file": dict(manifest.target_file),
        "model": {
            "name": manifest.model.name,
            "source": manifest.model.source,
            "sha256": manifest.model.sha256,
        },
        "inputs": [_tensor_entry(tensor) for tensor in manifest.inputs],
        "outputs": [_tensor_entry(tensor) for tensor in manifest.outputs],
        "task": manifest.task.to_dict(),
        "preprocess": manifest.preprocess,
        "io": manifest.io,
        "dtype": manifest.dtype,
        "relative_tolerance": manifest.relative_tolerance,
        "chains": manifest.chains,
        "thread_chains": manifest.thread_chains,
        "packed_rows": list(manifest.packed_rows),
        "arena_bytes": manifest.arena_bytes,
        "threads": list(manifest.threads),
        "threads_arena_bytes": {str(k): v for k, v in manifest.threads_arena_bytes.items()},
        "arena_align_bytes": manifest.arena_align_bytes,
        "arena_lower_bound_bytes": manifest.arena_lower_bound_bytes,
        "stream_arena_bytes": manifest.stream_arena_bytes,
        "stream_arena_lower_bound_bytes": manifest.stream_arena_lower_bound_bytes,
        "constants_bytes": manifest.constants_bytes,
        "constants_align_bytes": manifest.constants_align_bytes,
        "code_bytes": manifest.code_bytes,
        "macs": manifest.macs,
        "layers": [
            {
                "name": layer.name,
                "op": layer.op,
                "in": [list(shape) for shape in layer.inputs],
                "out": list(layer.output),
                "macs": layer.macs,
            }
            for layer in manifest.layers
        ],
        "kernels": [
            {
                "name": kernel.name,
                "op": kernel.op,
                "fuses": list(kernel.fuses),
                "shape": list(kernel.shape),
                "rows_per_step": kernel.rows_per_step,
                "scratch_bytes": kernel.scratch_bytes,
                "symbol": kernel.symbol,
                "schedule": kernel.schedule,
                "decisions": dict(kernel.decisions),
            }
            for kernel in manifest.kernels
        ],
        "steps": manifest.steps,
        "longest_step": None if manifest.longest_step is None else asdict(manifest.longest_step),
        **({} if manifest.flash is None else {"flash": dict(manifest.flash)}),
        "network_records": dict(manifest.network_records),
        "tuning_notes": list(manifest.tuning_notes),
        "notes": list(manifest.notes),
        "provenance": dict(manifest.provenance),
    }


def _tensor_entry(tensor: ArtifactTensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "layout": tensor.layout,
        "nhwc": list(tensor.nhwc),
        "scale": tensor.scale,
        "zero_point": tensor.zero_point,
    }


def decode(content: Mapping[str, Any], place: str, *, partial: bool = False) -> Manifest:
    """The manifest in a JSON object; `place` is the file, for messages.

    Raises ArtifactError where a key is missing or has another type than it must have. With
    `partial`, missing keys are empty: of a report, which shows what there is.
    """
    entry = _Entry(content, place, partial)
    model = entry.inner("model")
    return Manifest(
        edgemnv2=entry.text("edgemnv2"),
        name=entry.text("name"),
        target=entry.text("target"),
        target_file=entry.mapping("target_file"),
        model=ModelId(model.text("name"), model.text("source"), model.text("sha256")),
        inputs=entry.each("inputs", _tensor),
        outputs=entry.each("outputs", _tensor),
        task=task_from(entry.mapping("task"), place),
        preprocess=entry.text("preprocess"),
        io=entry.text("io"),
        dtype=entry.text_or_none("dtype"),
        relative_tolerance=entry.number_or_none("relative_tolerance"),
        chains=entry.text("chains"),
        thread_chains=entry.text("thread_chains"),
        packed_rows=entry.texts("packed_rows"),
        arena_bytes=entry.integer("arena_bytes"),
        threads=entry.integers("threads"),
        threads_arena_bytes=entry.counts("threads_arena_bytes"),
        arena_align_bytes=entry.integer("arena_align_bytes"),
        arena_lower_bound_bytes=entry.integer("arena_lower_bound_bytes"),
        stream_arena_bytes=entry.integer("stream_arena_bytes"),
        stream_arena_lower_bound_bytes=entry.integer("stream_arena_lower_bound_bytes"),
        constants_bytes=entry.integer("constants_bytes"),
        constants_align_bytes=entry.integer("constants_align_bytes"),
        code_bytes=entry.integer("code_bytes"),
        macs=entry.integer("macs"),
        layers=entry.each("layers", _layer),
        kernels=entry.each("kernels", _kernel),
        steps=entry.integer("steps"),
        longest_step=entry.inner_or_none("longest_step", _longest_step),
        flash=entry.mapping("flash") if "flash" in content else None,
        network_records=entry.mapping("network_records"),
        tuning_notes=entry.texts("tuning_notes"),
        notes=entry.texts("notes"),
        provenance=entry.mapping("provenance"),
        files=entry.mapping("files"),
        seal=entry.text("seal"),
    )


def _tensor(entry: _Entry) -> ArtifactTensor:
    return ArtifactTensor(
        name=entry.text("name"),
        shape=entry.integers("shape"),
        dtype=entry.text("dtype"),
        layout=entry.text("layout"),
        nhwc=entry.shape("nhwc"),
        scale=entry.number_or_none("scale"),
        zero_point=entry.integer_or_none("zero_point"),
    )


def _layer(entry: _Entry) -> LayerRecord:
    shapes = entry.take("in", list, [])
    return LayerRecord(
        name=entry.text("name"),
        op=entry.text("op"),
        inputs=tuple(entry.as_shape("in", shape) for shape in shapes),
        output=entry.shape("out"),
        macs=entry.integer("macs"),
    )


def _kernel(entry: _Entry) -> KernelRecord:
    return KernelRecord(
        name=entry.text("name"),
        op=entry.text("op"),
        fuses=entry.texts("fuses"),
        shape=entry.shape("shape"),
        rows_per_step=entry.integer("rows_per_step"),
        scratch_bytes=entry.integer("scratch_bytes"),
        symbol=entry.text("symbol"),
        schedule=entry.text("schedule"),
        decisions=entry.mapping("decisions"),
    )


def _longest_step(entry: _Entry) -> LongestStep:
    return LongestStep(layer=entry.text("layer"), instructions=entry.integer("instructions"))


class _Entry:
    """One JSON object, read key by key."""

    def __init__(self, content: Mapping[str, Any], place: str, partial: bool) -> None:
        self._content, self._place, self._partial = content, place, partial

    def take(self, key: str, kind: type[_T], empty: _T) -> _T:
        """The value of `key`, an instance of `kind`."""
        if key not in self._content:
            if self._partial:
                return empty
            raise ArtifactError(
                f"{self._place}: has no {key!r} (made by another version of edgemnv2; compile the "
                "model again)"
            )
        value = self._content[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self._wrong(key)
        return value

    def text(self, key: str) -> str:
        return self.take(key, str, "")

    def integer(self, key: str) -> int:
        return self.take(key, int, 0)

    def mapping(self, key: str) -> Mapping[str, Any]:
        return self.take(key, dict, {})

    def text_or_none(self, key: str) -> str | None:
        return None if self._is_none(key) else self.text(key)

    def integer_or_none(self, key: str) -> int | None:
        return None if self._is_none(key) else self.integer(key)

    def number_or_none(self, key: str) -> float | None:
        """JSON has no type of its own for whole numbers."""
        if self._is_none(key):
            return None
        if isinstance(self._content.get(key), int):
            return float(self.integer(key))
        return self.take(key, float, 0.0)

    def _is_none(self, key: str) -> bool:
        return self._content.get(key) is None and (key in self._content or self._partial)

    def texts(self, key: str) -> tuple[str, ...]:
        return self._items(key, str)

    def integers(self, key: str) -> tuple[int, ...]:
        return self._items(key, int)

    def counts(self, key: str) -> dict[int, int]:
        """Numbers by numbers, which JSON has as strings."""
        found = self.take(key, dict, {})
        if not all(str(k).isdigit() and isinstance(v, int) for k, v in found.items()):
            raise self._wrong(key)
        return {int(k): v for k, v in found.items()}

    def shape(self, key: str) -> Shape:
        return self.as_shape(key, self.take(key, list, [0, 0, 0]))

    def as_shape(self, key: str, value: Any) -> Shape:
        """`[height, width, channels]`."""
        if (
            not isinstance(value, list)
            or len(value) != 3
            or not all(isinstance(x, int) for x in value)
        ):
            raise self._wrong(key)
        return value[0], value[1], value[2]

    def inner(self, key: str) -> _Entry:
        return _Entry(self.take(key, dict, {}), f"{self._place}: {key}", self._partial)

    def inner_or_none(self, key: str, read: Callable[[_Entry], _T]) -> _T | None:
        """What `read` makes of the object, if there is one."""
        return None if self._is_none(key) else read(self.inner(key))

    def each(self, key: str, read: Callable[[_Entry], _T]) -> tuple[_T, ...]:
        """What `read` makes of each object of a list."""
        found = self._items(key, dict)
        return tuple(
            read(_Entry(item, f"{self._place}: {key}[{i}]", self._partial))
            for i, item in enumerate(found)
        )

    def _items(self, key: str, kind: type[_T]) -> tuple[_T, ...]:
        found: Sequence[Any] = self.take(key, list, [])
        if not all(isinstance(item, kind) for item in found):
            raise self._wrong(key)
        return tuple(found)

    def _wrong(self, key: str) -> ArtifactError:
        value = repr(self._content[key])
        short = value if len(value) <= 40 else value[:37] + "..."
        return ArtifactError(f"{self._place}: {key!r} is {short} (compile the model again)")
