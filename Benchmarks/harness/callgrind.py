"""Counting instructions and calls per request with valgrind's tool callgrind.

A count repeats where a time does not. Start, filling and shutdown are the same in a short and in
a long run, so the difference of the two belongs to the requests alone.
"""

import re
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from . import load
from .servers import Candidate, NotStarted, Server

DEPTH = 16
CLIENTS = 50
KEYS = 1000


@dataclass(frozen=True)
class Profile:
    """Totals of one run, or shares per request."""

    instructions: float
    calls: dict[str, float]


def available() -> bool:
    return shutil.which("valgrind") is not None


def per_request(candidate: Candidate, command: str, quick: bool = False) -> Profile:
    """Instructions and calls per request of one command at pipeline depth 16."""
    if not available():
        raise NotStarted("valgrind is not installed")
    short, long = (4_000, 24_000) if quick else (20_000, 120_000)
    first = _profile(candidate, command, short)
    second = _profile(candidate, command, long)
    requests = long - short
    calls = {
        name: (count - first.calls.get(name, 0)) / requests for name, count in second.calls.items()
    }
    return Profile((second.instructions - first.instructions) / requests, calls)


def _profile(candidate: Candidate, command: str, requests: int) -> Profile:
    with tempfile.TemporaryDirectory(prefix="callgrind-") as folder:
        # A peer may be a script that becomes the server by exec, hence --trace-children.
        wrapper = [
            "valgrind",
            "--quiet",
            "--tool=callgrind",
            "--trace-children=yes",
            f"--callgrind-out-file={folder}/%p.out",
        ]
        with Server(candidate, wrapper, patience=60) as server:
            load.run(
                server,
                fill=True,
                mix=command,
                pipeline=DEPTH,
                clients=CLIENTS,
                keys=KEYS,
                requests=requests,
            )
        outputs = list(Path(folder).glob("*.out"))
        if not outputs:
            raise NotStarted(f"callgrind wrote nothing about {candidate.name}")
        return parse(max(outputs, key=lambda output: output.stat().st_size).read_text())


_function = re.compile(r"c?fn=\((\d+)\)(?: (.*))?")


def parse(text: str) -> Profile:
    """Reads callgrind's own format: a name is spelled out once, afterwards it is a number."""
    names: dict[str, str] = {}
    calls: Counter[str] = Counter()
    instructions = 0
    callee = ""
    for line in text.splitlines():
        if match := _function.fullmatch(line):
            number, name = match.groups()
            if name is not None:
                names[number] = name
            if line.startswith("c"):
                callee = names[number]
        elif line.startswith("calls="):
            calls[callee] += int(line[len("calls=") :].split()[0])
        elif line.startswith(("summary:", "totals:")):
            instructions = max(instructions, int(line.split()[1]))
    return Profile(instructions, dict(calls))
