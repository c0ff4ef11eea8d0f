"""The report in a real browser: no errors, plots there, tables sort, nothing overflows."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.report.document import report
from tests.report.fabricated_artifact import fabricated_layers, write_artifact

WIDTHS = (400, 1400)
LINE = 21
"""Of a table's text, in pixels."""
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--enable-logging=stderr",
    "--virtual-time-budget=4000",
    "--dump-dom",
]

# A page around the report, one frame for each width: a headless window cannot be 400 pixels wide.
HARNESS = """<!DOCTYPE html><meta charset="utf-8"><title>harness</title>%s<pre id="found"></pre>
<script>
"use strict";
addEventListener("load", () => {
  const found = [];
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, root = page.documentElement;
    const layers = [...page.querySelectorAll("table.sorts")].pop();
    const column = (n) => [...layers.tBodies[0].rows].map((row) => row.cells[n].textContent);
    const press = (n) => layers.tHead.rows[0].cells[n].querySelector("button").click();
    const sorted = [];
    press(5); sorted.push(column(1));
    press(5); sorted.push(column(1));
    press(1); sorted.push(column(1));
    const stuck = (table) => {
      const name = table.tBodies[0].rows[0].cells[1], frame = table.parentElement;
      frame.scrollLeft = 1e6;
      return name.getBoundingClientRect().left >= frame.getBoundingClientRect().left;
    };
    const boxes = [...page.querySelectorAll("svg")].map((x) => x.getBoundingClientRect());
    const beyond = [...page.querySelectorAll("section > *, header > *, footer, .cards > div, li")]
      .filter((x) => x.getBoundingClientRect().right > root.clientWidth + 0.5)
      .map((x) => x.outerHTML.slice(0, 120));
    found.push({
      width: root.clientWidth, scroll: root.scrollWidth, beyond, sorted,
      plots: boxes.map((box) => [box.width, box.height]),
      json: JSON.parse(page.getElementById("edgemnv2-report").textContent).artifacts.length,
      tallest: Math.max(...[...layers.tBodies[0].rows].map((row) => row.clientHeight)),
      unnamed: [...page.querySelectorAll("th")].filter((x) => !/\\w|#/.test(x.textContent)).length,
      stuck: stuck(layers),
      aria: layers.tHead.rows[0].cells[1].getAttribute("aria-sort"),
    });
  }
  document.getElementById("found").textContent = JSON.stringify(found);
});
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    verify = folder / "verify.json"
    verify.write_text(
        json.dumps({"passed": True, "samples": 12, "exact": True, "target": "mps2-an500"})
    )
    artifacts = [
        write_artifact(folder / "one"),
        write_artifact(folder / "two", name="a_rather_long_name_for_an_artefact", target="rpi4"),
    ]
    return report(artifacts, [verify])


def browse(chromium: str, folder: Path, html: str) -> tuple[str, str]:
    """The document after its scripts ran, and what the browser logged."""
    (folder / "harness.html").write_text(html)
    command = [chromium, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--window-size=1500,900"]
    done = subprocess.run(
        [*command, (folder / "harness.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, done.stderr


def console(log: str) -> list[str]:
    return [line for line in log.splitlines() if "CONSOLE" in line]


def test_page_works_narrow_and_wide(
    page: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    frames = "".join(
        f'<iframe width="{w}" height="900" style="border:0" srcdoc="{escape(page)}"></iframe>'
        for w in WIDTHS
    )
    document, log = browse(require_tool("chromium"), tmp_path, HARNESS % frames)
    assert console(log) == []
    found = re.search(r'<pre id="found">(.*?)</pre>', document, re.S)
    assert found is not None and found[1]
    by_macs = [x["name"] for x in sorted(fabricated_layers(), key=lambda x: x["macs"])]
    views: list[dict[str, Any]] = json.loads(unescape(found[1]))
    # A vertical scroll bar may take a few pixels of the frame.
    assert [w - view["width"] < 20 for w, view in zip(WIDTHS, views, strict=True)] == [True] * 2
    for view in views:
        assert view["scroll"] <= view["width"] and view["beyond"] == []
        # Sizes of both, then memory of the whole image, memory by rows and work of each.
        assert len(view["plots"]) == 7
        assert all(w >= 600 and h >= 100 for w, h in view["plots"])
        ascending, descending, by_name = view["sorted"]
        assert ascending == by_macs and descending == by_macs[::-1]
        assert by_name == sorted(by_name) and view["aria"] == "ascending"
        assert view["json"] == 2
        assert view["unnamed"] == 0
    # Where the decisions are off the screen, they make no row taller, and its name stays.
    assert views[0]["tallest"] < 2 * LINE and views[0]["stuck"]


def test_the_browser_check_sees_script_errors(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    html = "<!DOCTYPE html><title>x</title><script>throw new Error('planted')</script>"
    _, log = browse(require_tool("chromium"), tmp_path, html)
    assert any("planted" in line for line in console(log))
