"""The NumPy reference gives the stored outputs of 200 random networks, bit for bit."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import tflite

from tests.safeguards.fuzz_outputs import (
    COUNT,
    Case,
    is_same,
    reference_outputs,
    stored_cases,
    stored_names,
)

OPERATORS = {
    "ADD",
    "AVERAGE_POOL_2D",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "MEAN",
    "PAD",
    "QUANTIZE",
    "RESHAPE",
    "SOFTMAX",
}


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    return {case.name: case for case in stored_cases()}


@pytest.mark.parametrize("name", stored_names())
def test_outputs_are_those_stored(cases: dict[str, Case], name: str) -> None:
    case = cases[name]
    ours = reference_outputs(case.model, case.inputs)
    assert is_same(ours, case.outputs)


def test_no_network_and_no_operator_was_lost(cases: dict[str, Case]) -> None:
    names = {
        code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)
    }
    found: Counter[str] = Counter()
    for case in cases.values():
        model = tflite.Model.GetRootAs(case.model, 0)
        found.update(
            {
                names[model.OperatorCodes(index).BuiltinCode()]
                for index in range(model.OperatorCodesLength())
            }
        )
    assert len(cases) == COUNT
    assert set(found) == OPERATORS
    assert min(found.values()) >= 5, found


def test_one_bit_is_seen(cases: dict[str, Case]) -> None:
    case = next(iter(cases.values()))
    ours = reference_outputs(case.model, case.inputs)
    ours.reshape(-1)[-1] ^= 1
    assert not is_same(ours, case.outputs)
    assert not is_same(ours.astype(np.int32), case.outputs)
