"""`python -m tests.release [--python PYTHON ...]`: a release, installed and put to work.

Builds wheel and sdist, installs each into a fresh environment of every PYTHON (this one if none is
named), outside of the checkout, compiles the built-in network and verifies it. Needs a network, and
a few minutes a Python. Exit code 1 where one of them does not work.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.release.built import build, environment, main_job


def main(arguments: list[str] | None = None) -> int:
    """Try them all, and print a line for each."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.release", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--python", action="append", metavar="PYTHON", help="an interpreter")
    args = parser.parse_args(arguments)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="edgemnv2-release-") as name:
        base = Path(name)
        (base / "dist").mkdir()
        built = build(base / "dist")
        for index, python in enumerate(args.python or [sys.executable]):
            version = subprocess.run([python, "-V"], capture_output=True, text=True).stdout.strip()
            for package in (built.wheel, built.sdist):
                folder = base / f"{index}-{package.name.rpartition('.')[2]}"
                folder.mkdir()
                try:
                    main_job(environment(python, folder / "venv", package), folder)
                    print(f"{version} {package.name}: works", flush=True)
                except AssertionError as error:
                    failed += 1
                    print(f"{version} {package.name}: {error}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
