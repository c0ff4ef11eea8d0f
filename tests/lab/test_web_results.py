"""What is served is the folder, and the table says whose seconds and bytes are whose."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from edgemnv2.errors import RunnerError
from edgemnv2.lab import web_results
from edgemnv2.lab.web_pages import FIRST, PEERS_FOLDER, write_pages
from edgemnv2.lab.web_results import (
    LOADED,
    OURS,
    PACKAGES,
    PEERS,
    measure_web,
    serve,
    web_table,
)


def row() -> dict[str, Any]:
    peer = {
        "version": "2.5.3",
        "ours": 0.005,
        "theirs": 0.020,
        "ratio": 0.25,
        "ratio_p05": 0.2,
        "ratio_p95": 0.3,
        "first_answer_ratio": 0.125,
        "max_abs_error": 1.0,
    }
    return {
        "dtype": "int8",
        "target": "wasm",
        "machine": {"cpu": "A processor"},
        "code_bytes": {"ours": 102400, "litert.js": 9 * 2**20},
        "first_answer": {"ours": 0.1, "loaded": 0.06, "litert.js": 0.8},
        "against": {"litert.js": peer},
        "two_threads": {"one": 0.006, "two": 0.004, "ratio": 1.5},
    }


def test_seconds_and_bytes_beside_others() -> None:
    lines = web_table([row()])
    assert lines[0] == "A processor, headless Chromium, one thread"
    assert (
        "| int8, wasm | litert.js 2.5.3 | 5.00, 20.00 | **0.250** (0.20 to 0.30) | 100 (60), 800 "
        "| **0.125** | 100, 9216 |"
    ) in lines
    assert lines[-1] == "| int8, wasm | 6.00, 4.00 | **1.50** |"


def test_a_folder_is_served_with_the_types_that_modules_need(tmp_path: Path) -> None:
    (tmp_path / "a.wasm").write_bytes(b"\0asm")
    (tmp_path / "b.mjs").write_text("export {};")
    with serve(tmp_path) as address:
        for file, kind in (("a.wasm", "application/wasm"), ("b.mjs", "text/javascript")):
            with urlopen(f"{address}/{file}") as answer:
                assert answer.headers["Content-Type"] == kind
                assert answer.read() == (tmp_path / file).read_bytes()


def test_every_peer_is_pinned_and_known_to_the_page() -> None:
    pinned = json.loads((PEERS_FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"]
    page = (PEERS_FOLDER / "page.js").read_text(encoding="utf-8")
    for peer in {peer for peers in PEERS.values() for peer in peers}:
        assert pinned[PACKAGES[peer]][0].isdigit()
        assert f'"{peer}": async () =>' in page


def test_every_engine_has_a_page_that_asks_ahead_for_its_files(tmp_path: Path) -> None:
    write_pages(tmp_path, "net")
    assert FIRST.keys() == {OURS, LOADED, *(peer for peers in PEERS.values() for peer in peers)}
    for engine, first in FIRST.items():
        page = (tmp_path / f"first-{engine}.html").read_text(encoding="utf-8")
        assert "@" not in page.replace("@litertjs", "")
        asked = set(re.findall(r'<link rel="(?:module)?preload".* href="([^"]*)">', page))
        assert {"first.js", first.file} < asked
        assert any(file.endswith(".wasm") for file in asked)
        script = (tmp_path / first.file).read_text(encoding="utf-8")
        assert f"import {{ {first.function} }} from" in page
        assert f"export async function {first.function}()" in script
    ours = (tmp_path / f"first-{OURS}.html").read_text(encoding="utf-8")
    assert 'href="/ours/net.wasm"' in ours and 'href="/ours/net.bin"' in ours


def test_a_machine_without_a_browser_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_results.shutil, "which", lambda name: None)
    with pytest.raises(RunnerError, match=r"node: is not installed .*apt install nodejs"):
        measure_web(lambda text: None)
