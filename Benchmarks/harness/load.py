"""The load generator: building it, and running it on its own core."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from . import places
from .servers import Server

Option: TypeAlias = str | int | float | bool

_binary = places.LOAD_SOURCE / ".build" / "load"


class LoadFailed(Exception):
    """The load generator stopped, or the server answered with errors."""


@dataclass(frozen=True)
class Outcome:
    """What one run of the load generator printed."""

    fields: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    @property
    def latency_us(self) -> dict[str, float]:
        latencies: dict[str, float] = self.fields["latency_us"]
        return latencies


def build() -> None:
    """Compiles the generator when its source is newer than its binary."""
    compiler = next((name for name in ("cc", "clang", "gcc") if shutil.which(name)), None)
    if compiler is None:
        sys.exit("bench: the load generator wants a C compiler (cc, clang or gcc)")
    subprocess.run(
        ["make", "--silent", "-C", str(places.LOAD_SOURCE), f"CC={compiler}"], check=True
    )


def run(server: Server, **options: Option) -> Outcome:
    """One run to its end."""
    done = subprocess.run(_command(server, options), capture_output=True, text=True)
    return _outcome(done.returncode, done.stdout, done.stderr)


@contextmanager
def started(server: Server, **options: Option) -> Iterator["Background"]:
    """A run in the background; it is over when the block ends."""
    process = subprocess.Popen(
        _command(server, options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Background(process)
        finally:
            # A generator that holds idle connections ends with its standard input, which leaving
            # the process's block closes; any other is at its end, or is not wanted any more.
            if process.poll() is None and "idle" not in options:
                process.terminate()


class Background:
    """A load generator that runs beside this process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def first_line(self) -> Outcome:
        """What it prints while it goes on running, as --idle does."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return _outcome(0 if line else 1, line, "it stopped early")

    def finish(self) -> Outcome:
        output, errors = self._process.communicate()
        return _outcome(self._process.returncode, output, errors)


def _command(server: Server, options: dict[str, Option]) -> list[str]:
    command = [str(_binary), f"--port={server.port}", f"--pid={server.pid}"]
    command.append(f"--cpu={places.LOAD_CORE}")
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            command.append(flag)
        elif value is not False:
            command.append(f"{flag}={value}")
    return command


def _outcome(status: int, output: str, errors: str) -> Outcome:
    if status != 0:
        raise LoadFailed(errors.strip() or f"the load generator ended with {status}")
    fields = json.loads(output)
    if fields["errors"] > 0:
        raise LoadFailed(fields["first_error"])
    return Outcome(fields)
