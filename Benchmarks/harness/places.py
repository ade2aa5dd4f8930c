"""Where things are in the repository, and on which cores they run."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".peers"
LOAD_SOURCE = ROOT / "Benchmarks" / "load"
RELEASE_BINARY = ROOT / ".build" / "release" / "martlet"
REPORT = ROOT / "docs" / "benchmarks.md"
PLOT = ROOT / "docs" / "benchmarks.svg"

_cores = sorted(os.sched_getaffinity(0))
SERVER_CORE = _cores[0]
# The load generator gets a core of its own; on a machine with one core they have to share.
LOAD_CORE = _cores[-1]
