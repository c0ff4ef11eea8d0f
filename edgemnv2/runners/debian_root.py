"""Programs of another architecture out of Debian's packages, in a folder: nothing is installed.

This machine's own apt resolves and fetches them, with lists and a state of its own inside the
folder, from the mirrors that this machine uses.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edgemnv2.errors import RunnerError

__all__ = ["TOOLS", "fetch_packages"]

TOOLS = ("apt-get", "apt-cache", "dpkg-deb")
"""What it takes: Debian, or a system like it."""
_SECONDS = 600


def fetch_packages(
    folder: Path, architecture: str, programs: Sequence[str], metas: Sequence[str] = ()
) -> Path:
    """`folder` with `root/` in it: the unpacked `programs` with all that they need, kept for ever.

    Of each of `metas`, which only stand for another package, that one comes alone. Raises
    RunnerError where apt or its mirror is missing.
    """
    if (folder / "complete").exists():
        return folder
    for tool in TOOLS:
        if shutil.which(tool) is None:
            raise RunnerError(
                f"{' '.join(programs)} for {architecture}: {tool} is not on this machine "
                "(they come out of Debian's packages)"
            )
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("state/lists/partial", "cache/archives/partial", "packages", "root"):
        (folder / part).mkdir(parents=True)
    (folder / "status").touch()
    # An apt that knows of no installed package: it resolves all that the programs need.
    (folder / "apt.conf").write_text(
        f'APT::Architecture "{architecture}";\nAPT::Architectures {{ "{architecture}"; }};\n'
        'APT::Sandbox::User "";\nAcquire::Languages "none";\n'
        f'Dir::State "{folder}/state";\nDir::State::status "{folder}/status";\n'
        f'Dir::Cache "{folder}/cache";\n',
        encoding="utf-8",
        newline="\n",
    )
    _apt(folder, "apt-get", "update")
    names = []
    for meta in metas:
        named = re.search(r"Depends: (\S+)", _apt(folder, "apt-cache", "depends", meta))
        if named is None:
            raise RunnerError(f"apt: does not know which package {meta} stands for")
        names.append(named[1])
    wanted = _apt(folder, "apt-get", "--simulate", "--no-install-recommends", "install", *programs)
    names += re.findall(r"^Inst (\S+)", wanted, re.MULTILINE)
    _apt(folder, "apt-get", "download", *names)
    for package in sorted((folder / "packages").glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, folder / "root"], check=True)
        package.unlink()
    (folder / "complete").touch()
    return folder


def _apt(folder: Path, program: str, *arguments: str) -> str:
    done = subprocess.run(
        ["env", f"APT_CONFIG={folder}/apt.conf", program, "-q", *arguments],
        cwd=folder / "packages",
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RunnerError(f"{program} {arguments[0]}: packages cannot be had ({last})")
    return done.stdout
