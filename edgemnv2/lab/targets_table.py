"""The table of targets, made from the TOML files."""

from __future__ import annotations

from edgemnv2.lab.step_results import longest_steps
from edgemnv2.target import load_target, target_names

__all__ = ["targets_markdown"]


def targets_markdown() -> str:
    """One line per target: name, what it is, core, features, RAM, flash, runner, longest step.

    The last one is that of `step_results.NETWORK`, of every core that an emulator has.
    """
    longest = longest_steps()
    lines = [
        "| target | device | core | features | RAM | flash | runs on | longest step |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in target_names():
        target = load_target(name)
        ram = f"{target.ram_bytes // 1024} KiB" if target.is_bare_metal else "-"
        flash = f"{target.flash_bytes // 1024} KiB" if target.is_bare_metal else "-"
        step = f"{longest[name] / 1e3:.0f} k" if name in longest else "-"
        features = ", ".join(sorted(target.cpu.features)) or "-"
        lines.append(
            f"| `{name}` | {target.description} | {target.cpu.core} | {features} | {ram} "
            f"| {flash} | {target.runner} | {step} |"
        )
    return "\n".join(lines) + "\n"
