"""Rows about the disk: loading a file, and saving one while clients write."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import load
from .figures import Bar, Figure, Result
from .resp import Client, ServerError
from .servers import Server
from .survey import Settings, Survey

MILLION = 1_000_000
VALUE = "xxxxxxxxxxxxxxxx"
FILE = "dump.rdb"
# A command that makes keys, how many different ones or elements it makes, and how many requests.
Fill = tuple[str, int]
STRINGS: tuple[Fill, ...] = ((f"SET key:__rand__ {VALUE}", 5 * MILLION),)
MIXED: tuple[Fill, ...] = (
    (f"SET key:__rand__ {VALUE}", MILLION),
    (f"SETEX volatile:__rand__ 1000000 {VALUE}", MILLION // 2),
    ("SET number:__rand__ __rand__", MILLION // 2),
    ("HSET hash:__rand__ f1 v1 f2 v2 f3 v3 f4 v4 f5 v5", MILLION // 5),
    ("RPUSH list:__rand__ one two three four five", MILLION // 5),
    ("SADD set:__rand__ one two three four five", MILLION // 5),
    ("SADD numbers:__rand__ 1 20 300 4000 50000", MILLION // 5),
    ("ZADD zset:__rand__ 1 one 2 two 3 three 4 four 5 five", MILLION // 5),
    (f"HSET hash field:__rand__ {VALUE}", MILLION // 2),
    ("RPUSH list element:__rand__", MILLION // 2),
    ("SADD set member:__rand__", MILLION // 2),
    ("ZADD zset __rand__ member:__rand__", MILLION // 2),
)
PATIENCE = 120.0


def fill(server: Server, fills: tuple[Fill, ...], quick: bool) -> None:
    """Brings data into a server."""
    for command, count in fills:
        count = count // 25 if quick else count
        load.run(
            server, command=command, keys=count, requests=count, clients=4, pipeline=32,
            sequential=True,
        )


# MARK: Loading

LOAD_TITLES = {"load-strings": ("5,000,000 strings", STRINGS), "load-mixed": ("all types", MIXED)}


def measure_loading(settings: Settings, row: str) -> Result:
    """From starting the process to the answer of the first PING, with a file to load."""
    title, fills = LOAD_TITLES[row]
    survey = Survey(settings)
    figure = Figure(f"Loading a file of {title}", "s", Bar(0.7, of_best_peer=True))
    memory = Figure(f"Memory after loading {title}", "MiB", informative=True)
    # The oldest peer writes what everybody reads.
    writer = settings.peers[0] if settings.peers else settings.subject
    with folder() as place:
        with Server(writer, folder=place) as server, server.client() as client:
            fill(server, fills, settings.quick)
            client.command("SAVE")
        for candidate in survey.rounds(min(settings.rounds, 5)):
            with (
                survey.attempt(candidate),
                Server(candidate, patience=PATIENCE, folder=place) as server,
            ):
                figure.add(candidate.name, server.ready_after)
                memory.add(candidate.name, server.resident_bytes() / (1 << 20))
        size = (place / FILE).stat().st_size / (1 << 20)
    how = (
        f"from starting the process to the answer of the first PING; a file of {size:,.0f} MiB "
        f"that {writer.name} wrote, in the page cache"
    )
    return Result(row, "Loading", how, [figure, memory], survey.failures)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield Path(name)


# MARK: Saving

WRITE_PIPELINE = 16
PULSE_US = 1000
LOOK_SECONDS = 0.1
CALM_SECONDS = 6.0


def measure_saving(settings: Settings) -> Result:
    """How long BGSAVE takes in quiet, and what it costs those who write meanwhile."""
    survey = Survey(settings)
    quiet = Figure("BGSAVE of 5,000,000 strings", "s", Bar(1, of_best_peer=True))
    busy = Figure("while clients write: the same", "s", informative=True)
    growth = Figure("while clients write: memory grows at most by", "%", Bar(5))
    extra = Figure("while clients write: the same", "MiB", informative=True)
    rate = Figure("while clients write: SETs", "% of those without", informative=True)
    pause = Figure("while clients write: longest PING, more than without", "ms", Bar(2))
    trip = Figure("while clients write: longest PING", "ms", informative=True)
    calm_trip = Figure("the same when nobody saves", "ms", informative=True)
    keys = STRINGS[0][1] // (25 if settings.quick else 1)
    for candidate in survey.rounds(1 if settings.quick else min(settings.rounds, 3)):
        with (
            survey.attempt(candidate),
            folder() as place,
            Server(candidate, folder=place) as server,
            server.client() as client,
        ):
            fill(server, STRINGS, settings.quick)
            # Buffers and tables find their size before anything is measured.
            calm = load_and_watch(server, keys, None, CALM_SECONDS)
            server.settled_resident_bytes()
            start = time.perf_counter()
            save(server, client, place)
            took = time.perf_counter() - start
            quiet.add(candidate.name, took)
            wait_for_children(server.pid)
            resident = server.settled_resident_bytes()
            seconds = max(4 * took, 2.0)
            seen = load_and_watch(server, keys, place, seconds, looks_at_memory=True)
            wait_for_children(server.pid)
            felt = load_and_watch(server, keys, place, seconds)
            busy.add(candidate.name, felt.seconds)
            grown = max(seen.peak_bytes - resident, 0)
            growth.add(candidate.name, grown * 100 / resident)
            extra.add(candidate.name, grown / (1 << 20))
            rate.add(candidate.name, felt.per_second * 100 / calm.per_second)
            pause.add(candidate.name, max(felt.longest_ms - calm.longest_ms, 0))
            trip.add(candidate.name, felt.longest_ms)
            calm_trip.add(candidate.name, calm.longest_ms)
    how = (
        f"{keys:,} keys of 16 bytes, values of 16 bytes; until the file is in its place. Then again "
        f"while 50 connections SET random keys with pipelines of {WRITE_PIPELINE} as fast as they "
        "can and one sends a PING every ms, which waits now and then when nobody saves, too. Memory, "
        "in a run of its own, is what the process and its children take together, looked at every "
        "100 ms"
    )
    figures = [quiet, busy, growth, extra, rate, pause, trip, calm_trip]
    return Result("bgsave", "Saving", how, figures, survey.failures)


@dataclass
class Watched:
    """What was seen while clients wrote."""

    seconds: float
    peak_bytes: int
    per_second: float
    pulse: load.Outcome

    @property
    def longest_ms(self) -> float:
        return self.pulse.latency_us["max"] / 1000


def load_and_watch(
    server: Server, keys: int, place: Path | None, seconds: float, looks_at_memory: bool = False
) -> Watched:
    """Lets clients write for about so long, and saves meanwhile if there is a `place` for a file."""
    lead = 0.5
    with (
        load.started(
            server, mix="set", pipeline=WRITE_PIPELINE, clients=50, keys=keys, size=16,
            warmup=0, seconds=seconds + 2 * lead,
        ),
        server.client() as client,
    ):
        time.sleep(lead)
        with load.started(server, pulse=PULSE_US, seconds=seconds) as pulse:
            before, start = commands(client), time.perf_counter()
            if place is None:
                time.sleep(seconds)
                peak = 0
            else:
                peak = save(server, client, place, looks_at_memory)
            took = time.perf_counter() - start
            per_second = (commands(client) - before) / took
            return Watched(took, peak, per_second, pulse.finish())


def commands(client: Client) -> int:
    """How many commands the server has run."""
    for line in client.command("INFO", "stats").splitlines():
        if line.startswith("total_commands_processed:"):
            return int(line.partition(":")[2])
    raise ServerError("INFO does not count commands")


def save(server: Server, client: Client, place: Path, looks_at_memory: bool = False) -> int:
    """Saves in the background; the most memory seen until the file is in its place."""
    path = place / FILE
    before = path.stat().st_ino if path.exists() else 0
    client.command("BGSAVE")
    end = time.perf_counter() + PATIENCE
    peak, looked = 0, 0.0
    while not path.exists() or path.stat().st_ino == before:
        now = time.perf_counter()
        # To look disturbs whoever is looked at.
        if looks_at_memory and now - looked > LOOK_SECONDS:
            peak, looked = max(peak, proportional_bytes(server.pid)), now
        if now > end:
            raise load.LoadFailed("the save does not end")
        time.sleep(0.005)
    return peak


def proportional_bytes(pid: int) -> int:
    """Memory of a process and its children; what they share counts once."""
    total = 0
    for one in [pid, *children(pid)]:
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024


def wait_for_children(pid: int) -> None:
    """A child that has saved goes a moment later."""
    end = time.perf_counter() + PATIENCE
    while children(pid) and time.perf_counter() < end:
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]
