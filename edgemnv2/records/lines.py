"""What a line of a log's records may be; MetaSchedule's own reader ends the process over others.

A line is `[workload, [[instructions, decisions], costs, target, arguments]]`. An instruction is
`[name, inputs, attributes, outputs]`, and the three that `workload` writes are all there are.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["check_record_line"]

MOST = 2**31
"""Of any integer in a trace."""


def check_record_line(line: bytes) -> None:
    """ValueError with what is wrong, for anything that `workload.trace_of` would not give."""
    try:
        content = json.loads(line)
    except RecursionError as error:
        raise ValueError("nested without end") from error
    workload, entry = _items(content, 2, "a record")
    _integer(workload, "a workload's number")
    trace, costs, target, arguments = _items(entry, 4, "a record's facts")
    instructions, decisions = _items(trace, 2, "a trace")
    for instruction in _items(instructions, None, "a trace's instructions"):
        _check_instruction(instruction)
    _check_names(instructions)
    for decision in _items(decisions, None, "a trace's decisions"):
        place, choice = _items(decision, 2, "a decision")
        _integer(place, "a decision's place")
        _integer(choice, "a decision's choice")
        if not 0 <= place < len(instructions) or instructions[place][0] != "SampleCategorical":
            raise ValueError(f"a decision for instruction {place}, which takes none")
        if not 0 <= choice < len(instructions[place][2][0]):
            raise ValueError(f"choice {choice} of {len(instructions[place][2][0])} candidates")
    for cost in _items(costs, None, "a record's costs"):
        if type(cost) not in (int, float):
            raise ValueError("a cost that is no number")
    if target is not None or arguments != []:
        raise ValueError("a target or arguments of its own")


def _check_instruction(instruction: Any) -> None:
    name, inputs, attributes, outputs = _items(instruction, 4, "an instruction")
    if name == "GetSBlock":
        _words(attributes, 2, "GetSBlock's attributes")
        _items(inputs, 0, "GetSBlock's inputs")
        _words(outputs, 1, "GetSBlock's outputs")
    elif name == "Annotate":
        _words(attributes, 1, "Annotate's attributes")
        _words(inputs, 2, "Annotate's inputs")
        _items(outputs, 0, "Annotate's outputs")
    elif name == "SampleCategorical":
        candidates, shares = _items(attributes, 2, "SampleCategorical's attributes")
        for value in _items(candidates, None, "candidates"):
            _integer(value, "a candidate")
        for share in _items(shares, len(candidates), "the candidates' shares"):
            if type(share) not in (int, float):
                raise ValueError("a candidate's share that is no number")
        _items(inputs, 0, "SampleCategorical's inputs")
        _words(outputs, 1, "SampleCategorical's outputs")
    else:
        raise ValueError(f"an instruction {str(name)[:40]!r}")


def _check_names(instructions: list[Any]) -> None:
    """ValueError where an instruction works on what none before it has made."""
    made: set[str] = set()
    for name, inputs, _, outputs in instructions:
        # A word with quotation marks is a value of its own.
        names = [x for x in inputs if not x.startswith('"')]
        if not made.issuperset(names):
            raise ValueError(f"{name} works on what was not made")
        made.update(outputs)


def _items(value: Any, count: int | None, what: str) -> list[Any]:
    if not isinstance(value, list) or (count is not None and len(value) != count):
        raise ValueError(f"{what}: no list{'' if count is None else f' of {count}'}")
    return value


def _words(value: Any, count: int, what: str) -> None:
    if not all(isinstance(word, str) for word in _items(value, count, what)):
        raise ValueError(f"{what}: not all words")


def _integer(value: Any, what: str) -> None:
    if type(value) is not int or not -MOST <= value < MOST:
        raise ValueError(f"{what} is no integer of 32 bits")
