"""A manifest goes to JSON and back unchanged; what is not one is refused by its key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgemnv2.errors import ArtifactError
from edgemnv2.manifest import decode, encode
from tests.runners.tiny_artifact import tiny_manifest


def as_json() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json.dumps(encode(tiny_manifest("rpi4"))))
    return {**content, "files": {}, "seal": ""}


def test_it_goes_to_json_and_back() -> None:
    assert decode(as_json(), "m.json") == tiny_manifest("rpi4")


@pytest.mark.parametrize("key", sorted(as_json()))
def test_a_missing_key_is_named(key: str) -> None:
    content = as_json()
    del content[key]
    with pytest.raises(ArtifactError, match=f"m.json: has no '{key}' .*compile the model again"):
        decode(content, "m.json")
    assert decode(content, "m.json", partial=True)


@pytest.mark.parametrize("key", sorted(as_json()))
def test_a_value_of_another_type_is_named(key: str) -> None:
    wrong: Any = 3.5 if key != "relative_tolerance" else "much"
    with pytest.raises(ArtifactError, match=f"m.json: '{key}' is "):
        decode({**as_json(), key: wrong}, "m.json")


@pytest.mark.parametrize(
    ("part", "key"),
    [("layers", "out"), ("kernels", "symbol"), ("inputs", "nhwc"), ("model", "name")],
)
def test_the_place_inside_is_named(part: str, key: str) -> None:
    content = as_json()
    entry = content[part] if part == "model" else content[part][0]
    entry[key] = [1, 2]
    with pytest.raises(ArtifactError, match=rf"m\.json: {part}.*'{key}' is \[1, 2\]"):
        decode(content, "m.json")
