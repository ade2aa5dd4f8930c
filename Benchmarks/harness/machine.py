"""What a number needs beside it: the machine, the versions, the commit and the date."""

import os
import platform
import subprocess
from datetime import date
from pathlib import Path

from . import places


def describe() -> dict[str, str]:
    """Facts about the machine and the source, in the order they are shown."""
    return {
        "Date": date.today().isoformat(),
        "Commit": commit(),
        "CPU": f"{cpu_model()}, {os.cpu_count()} cores",
        "Memory": f"{memory_gib():.0f} GiB",
        "Kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Compiler": first_line(["swift", "--version"]),
        "Pinning": pinning(),
        "Load before the run": f"{os.getloadavg()[0]:.2f}",
    }


def commit() -> str:
    """The commit measured, and whether files differed from it."""
    name = first_line(["git", "-C", str(places.ROOT), "rev-parse", "--short=12", "HEAD"])
    changes = first_line(["git", "-C", str(places.ROOT), "status", "--porcelain", "-uno"])
    if not name:
        return "not under version control"
    return f"{name} with changes" if changes else name


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3


def pinning() -> str:
    if places.SERVER_CORE == places.LOAD_CORE:
        return "server and load generator share the only core"
    return f"server on core {places.SERVER_CORE}, load generator on core {places.LOAD_CORE}"


def first_line(command: list[str]) -> str:
    """The first line a program prints, or nothing where it fails or is missing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return (done.stdout.splitlines() or [""])[0].strip()
