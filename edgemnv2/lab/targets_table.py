"""The table of targets, made from the TOML files."""

from __future__ import annotations

from edgemnv2.target import load_target, target_names

__all__ = ["targets_markdown"]


def targets_markdown() -> str:
    """One line per target: name, what it is, core, features, RAM, flash, default runner."""
    lines = [
        "| target | device | core | features | RAM | flash | runs on |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in target_names():
        target = load_target(name)
        ram = f"{target.ram_bytes // 1024} KiB" if target.is_bare_metal else "-"
        flash = f"{target.flash_bytes // 1024} KiB" if target.is_bare_metal else "-"
        features = ", ".join(sorted(target.cpu.features)) or "-"
        lines.append(
            f"| `{name}` | {target.description} | {target.cpu.core} | {features} | {ram} "
            f"| {flash} | {target.runner} |"
        )
    return "\n".join(lines) + "\n"
