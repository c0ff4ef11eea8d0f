"""What the package offers to programs; `import edgemnv2` gives all of it. The command line is made
of nothing else.

Arrays are by the source's names, in its types and layouts, whatever the artefact's own are. All
sizes are bytes, all times seconds. What the user can put right is raised as a subclass of
`errors.EdgeError`; nothing is printed.
"""

from __future__ import annotations

from edgemnv2.api.checks import against, analyze, bench, caches, check_peers, cycles, verify
from edgemnv2.api.makers import (
    bundle,
    check_archive,
    check_tuning,
    ends_for,
    quantize,
    tune,
)
from edgemnv2.api.network import Network, OpenArtifact, compile, load, open_artifact
from edgemnv2.cache import cache_folder
from edgemnv2.export.whole_file import check_writable, write_whole
from edgemnv2.frontend import built_in_names, integer_twin
from edgemnv2.meaning.told import said
from edgemnv2.runners.doctor import doctor, purposes
from edgemnv2.runners.place import Place
from edgemnv2.samples.inputs import SampleChoice
from edgemnv2.target import load_target, more_capable_local_target, target_names
from edgemnv2.task import Said, Task
from edgemnv2.tuner.manage import (
    check_log,
    export_log,
    log_folders,
    log_summary,
    merge_logs,
    prune_log,
)

__all__ = [
    "Network",
    "OpenArtifact",
    "Place",
    "Said",
    "SampleChoice",
    "Task",
    "against",
    "analyze",
    "bench",
    "built_in_names",
    "bundle",
    "cache_folder",
    "caches",
    "check_archive",
    "check_log",
    "check_peers",
    "check_tuning",
    "check_writable",
    "compile",
    "cycles",
    "doctor",
    "ends_for",
    "export_log",
    "integer_twin",
    "load",
    "load_target",
    "log_folders",
    "log_summary",
    "merge_logs",
    "more_capable_local_target",
    "open_artifact",
    "prune_log",
    "purposes",
    "quantize",
    "said",
    "target_names",
    "tune",
    "verify",
    "write_whole",
]
