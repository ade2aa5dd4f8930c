"""The servers under test: how each is started, watched through /proc, and stopped."""

import os
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from . import places
from .resp import Client

# One command line for everybody: no snapshots, no append-only file, nobody but this machine.
SERVER_ARGUMENTS = '--port {port} --bind 127.0.0.1 --save "" --appendonly no --loglevel warning'


class NotStarted(Exception):
    """The server did not answer a PING."""


@dataclass(frozen=True)
class Candidate:
    """A server program, and the arguments that make it listen on a port."""

    name: str
    binary: Path
    arguments: str = SERVER_ARGUMENTS

    def command(self, port: int) -> list[str]:
        return [str(self.binary), *shlex.split(self.arguments.replace("{port}", str(port)))]

    def version(self) -> str:
        """The first line of `--version`, or nothing where the program does not know the flag."""
        try:
            done = subprocess.run(
                [self.binary, "--version"], capture_output=True, text=True, timeout=5, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        return (done.stdout.splitlines() or [""])[0].strip()


def peers() -> list[Candidate]:
    """The real servers that `scripts/peers` has fetched."""
    known = [
        Candidate(f"redis {version}", places.PEERS / f"redis-{version}" / "redis-server")
        for version in ("7.0.15", "8.2.3")
    ]
    return [candidate for candidate in known if candidate.binary.exists()]


def free_port() -> int:
    """A loopback port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Children started inside inherit one core; this process gets its own cores back."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_file_limit() -> None:
    """Servers inherit the limit; a thousand connections do not fit into the usual 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Server:
    """A running server in a folder of its own, on the server's core, until the block ends."""

    def __init__(
        self,
        candidate: Candidate,
        wrapper: Sequence[str] = (),
        patience: float = 15.0,
        folder: Path | None = None,
    ) -> None:
        self.candidate = candidate
        self.port = free_port()
        # A folder of the caller's stays the caller's.
        self._owns_folder = folder is None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="bench-"))
        command = [*wrapper, *candidate.command(self.port)]
        try:
            with on_core(places.SERVER_CORE), (self._folder / "log").open("wb") as log:
                self.started = time.perf_counter()
                self._process = subprocess.Popen(
                    command,
                    cwd=self._folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        except OSError as error:
            self._drop_folder()
            raise NotStarted(f"{candidate.name}: {error}") from error
        try:
            self.ready_after = self._wait_until_ready(patience)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def client(self) -> Client:
        return Client(self.port)

    def resident_bytes(self) -> int:
        """Resident memory, counted page by page.

        The figure in /proc/PID/status is kept in per-core batches and may be off by more than a
        thousand idle connections take.
        """
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("the kernel does not tell resident memory")

    def settled_resident_bytes(self) -> int:
        """Resident memory once it has stopped moving: tables finish growing in the background."""
        last = self.resident_bytes()
        for _ in range(20):
            time.sleep(0.25)
            now = self.resident_bytes()
            if abs(now - last) <= 64 * 1024:
                return now
            last = now
        return last

    def stop(self) -> None:
        """Asks this one process to end, and ends it if it does not."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._drop_folder()

    def _drop_folder(self) -> None:
        if self._owns_folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_until_ready(self, patience: float) -> float:
        """Seconds from exec to the answer of the first PING."""
        while (waited := time.perf_counter() - self.started) < patience:
            if self._process.poll() is not None:
                break
            try:
                with Client(self.port, timeout=patience - waited) as client:
                    client.send("PING")
                    if client.receive() == "PONG":
                        return time.perf_counter() - self.started
            except OSError:
                pass
            time.sleep(0.0002)
        raise NotStarted(f"{self.candidate.name} does not answer: {self._last_words()}")

    def _last_words(self) -> str:
        text = (self._folder / "log").read_text(errors="replace").strip()
        return text.splitlines()[-1] if text else "it said nothing"
