"""Calls of layers as Keras files have them: which tensors go in, and with which arguments.

Keras 3 writes arguments as Python had them, Keras 2 `["layer", node, index, {keywords}]`, or a list
of such. Both become a `Call`, in which a tensor is a `Reference`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Arguments", "Call", "Reference", "parsed_call"]

CONSTANT = "_CONSTANT_VALUE"
"""What Keras 2 calls the layer of an operand that is a number."""


class Reference(NamedTuple):
    """Output number `output` of call `node` of the layer `name`."""

    name: str
    node: int
    output: int


@dataclass(frozen=True)
class Call:
    """Positional and keyword arguments; references anywhere inside."""

    args: tuple[Any, ...]
    keywords: Mapping[str, Any]

    @property
    def references(self) -> list[Reference]:
        """All tensors, in order."""
        return [*_references(list(self.args)), *_references(list(self.keywords.values()))]

    @property
    def operands(self) -> list[Reference]:
        """The tensors among the positional arguments: what a layer works on."""
        return list(_references(list(self.args)))

    def resolved(self, name_of: Callable[[Reference], str]) -> Call:
        """The call with the names of tensors in the place of references."""
        keywords = {key: _mapped(value, name_of) for key, value in self.keywords.items()}
        return Call(tuple(_mapped(x, name_of) for x in self.args), keywords)


@dataclass(frozen=True)
class Arguments:
    """The arguments of an operator, wherever they are: in the call or in the configuration."""

    call: Call
    config: Mapping[str, Any]

    def get(self, place: int, *names: str, default: Any = None) -> Any:
        """The argument at `place`, else by the first of its names that is given."""
        if place < len(self.call.args):
            return self.call.args[place]
        for given in (self.call.keywords, self.config):
            for name in names:
                if given.get(name) is not None:
                    return given[name]
        return default


def parsed_call(call: Any) -> Call:
    """A call as the file has it."""
    if isinstance(call, Mapping):
        given = tuple(_keras3(x) for x in call.get("args", ()))
        return Call(given, {key: _keras3(x) for key, x in call.get("kwargs", {}).items()})
    if call and isinstance(call[0], str):
        call = [call]
        args: tuple[Any, ...] = (_operand(call[0]),)
    else:
        args = ([_operand(x) for x in call],)
    last: Any = call[0] if call else ()
    keywords = last[3] if len(last) > 3 else {}
    return Call(args, {key: _keras2(value) for key, value in keywords.items()})


def _operand(entry: Any) -> Any:
    if entry[0] == CONSTANT:
        return entry[2]
    return Reference(str(entry[0]), int(entry[1]), int(entry[2]))


def _keras2(value: Any) -> Any:
    if isinstance(value, Mapping) and {"start", "stop", "step"} <= set(value):
        return slice(value["start"], value["stop"], value["step"])
    if isinstance(value, Mapping) and value.get("class_name") == "__ellipsis__":
        return Ellipsis
    if isinstance(value, list):
        kinds = [type(x) for x in value]
        return Reference(*value) if kinds == [str, int, int] else [_keras2(x) for x in value]
    return value


def _keras3(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_keras3(x) for x in value]
    if not isinstance(value, Mapping):
        return value
    kind, config = value.get("class_name"), value.get("config", {})
    if kind == "__keras_tensor__":
        name, node, index = config["keras_history"]
        return Reference(str(name), int(node), int(index))
    if kind == "__tensor__":
        return np.asarray(config["value"], np.float32)
    if kind == "__slice__":
        return slice(config["start"], config["stop"], config["step"])
    if kind == "__ellipsis__":
        return Ellipsis
    return {key: _keras3(x) for key, x in value.items()}


def _references(value: Any) -> Iterator[Reference]:
    if isinstance(value, Reference):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _references(item)


def _mapped(value: Any, name_of: Callable[[Reference], str]) -> Any:
    if isinstance(value, Reference):
        return name_of(value)
    return [_mapped(x, name_of) for x in value] if isinstance(value, list) else value
