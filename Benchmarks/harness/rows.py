"""The rows of the benchmark: what is measured, how, and the bar for each."""

import fnmatch
import itertools
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from . import callgrind, disk, load
from .figures import Bar, Figure, Result
from .resp import Client, ServerError
from .servers import Server
from .survey import Settings, Survey


@dataclass(frozen=True)
class Row:
    """A name for --only, and the function that measures."""

    name: str
    measure: Callable[[Settings], Result]
    # Rows that take very long run only when they are asked for.
    on_request: bool = False


# MARK: Throughput and CPU


@dataclass(frozen=True)
class Load:
    """A load, and the bars for it."""

    row: str
    name: str
    # What the load generator is told beside the number of keys and for how long.
    options: dict[str, str | int]
    title: str = "CPU and throughput"
    clients: int = 50
    keys: int = 100_000
    size: int = 16
    cpu_bar: float | None = None
    rate_bar: float | None = None
    # Commands that fill the keys instead of SET, with the number of times each is sent, and
    # whether they take the numbers in order.
    setup: tuple[tuple[str, int], ...] = ()
    sequential_setup: bool = True
    subject_arguments: str = ""
    # Further arguments for every server.
    arguments: str = ""

    @property
    def how(self) -> str:
        keys = "" if self.setup else f", {self.keys:,} keys, {self.size:,}-byte values"
        return f"{self.clients} connections{keys}"


def measure_load(settings: Settings, load_: Load) -> Result:
    survey = Survey(
        settings.with_subject_arguments(load_.subject_arguments).with_arguments(load_.arguments)
    )
    cpu_bar = Bar(load_.cpu_bar, of_best_peer=True) if load_.cpu_bar else None
    rate_bar = Bar(load_.rate_bar, of_best_peer=True, at_least=True) if load_.rate_bar else None
    cpu = Figure(f"{load_.name}: server CPU", "µs/request", cpu_bar)
    rate = Figure(f"{load_.name}: throughput", "requests/s", rate_bar, higher_is_better=True)
    seconds = 0.3 if settings.quick else 1.0
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for candidate in survey.rounds(1):
            with survey.attempt(candidate):
                server = stack.enter_context(Server(candidate))
                servers[candidate.name] = server
                prepare(server, load_)
        for candidate in survey.rounds(settings.rounds):
            with survey.attempt(candidate):
                outcome = load.run(
                    servers[candidate.name],
                    **load_.options,
                    clients=load_.clients,
                    keys=load_.keys,
                    size=load_.size,
                    warmup=0.1,
                    seconds=seconds,
                )
                cpu.add(candidate.name, outcome["server_cpu_us_per_request"])
                rate.add(candidate.name, outcome["per_second"])
    how = f"{load_.how}, {seconds:g} s a round"
    return Result(load_.row, load_.title, how, [cpu, rate], survey.failures)


def prepare(server: Server, load_: Load) -> None:
    """Brings the data of a load into a server."""
    if not load_.setup:
        pipeline = 64 if load_.size < 1000 else 1
        load.run(
            server, fill=True, keys=load_.keys, size=load_.size, requests=0, clients=4,
            pipeline=pipeline,
        )
    for command, times in load_.setup:
        load.run(
            server, command=command, keys=load_.keys, requests=times, clients=4, pipeline=32,
            sequential=load_.sequential_setup,
        )


CPU_BARS = {1: 0.95, 16: 0.6, 64: 0.45}

PLAIN_LOADS = [
    Load(
        f"{command}-p{depth}",
        f"{command.upper()}, pipeline {depth}",
        {"mix": command, "pipeline": depth},
        cpu_bar=CPU_BARS[depth],
    )
    for depth in CPU_BARS
    for command in ("get", "set")
]

# The event loops apart, with few clients and with many.
LOOP_LOADS = [
    Load(
        f"{command}-{loop}-{clients}",
        f"{command.upper()}, {loop}, {clients} clients",
        {"mix": command},
        title="Event loops",
        clients=clients,
        cpu_bar=bar,
        subject_arguments=f"--event-loop {loop}",
    )
    for loop, bar in (("io_uring", 0.85), ("epoll", 0.95))
    for clients in (50, 500)
    for command in ("get", "set")
]

WIDE_LOADS = [
    Load(
        "wide",
        "GET among 5,000,000 keys, pipeline 16",
        {"mix": "get", "pipeline": 16},
        title="A large keyspace",
        keys=5_000_000,
        rate_bar=2,
    )
]

LARGE_LOADS = [
    Load(
        f"{command}-1mb",
        f"{command.upper()} of 1 MB",
        {"mix": command},
        title="Large values",
        clients=10,
        keys=100,
        size=1_000_000,
        rate_bar=1.3,
    )
    for command in ("get", "set")
]

ELEMENT = "element:__rand__"
VALUE = "xxxxxxxxxxxxxxxx"
# The command, and what has to be there before.
COLLECTION_COMMANDS: dict[str, tuple[str, tuple[tuple[str, int], ...]]] = {
    "lpush": (f"LPUSH list {VALUE}", (("PING", 1),)),
    "rpop": ("RPOP list", ((f"RPUSH list {VALUE}", 6_000_000),)),
    "lrange": ("LRANGE list 0 99", ((f"RPUSH list {VALUE}", 1000),)),
    "sadd": (f"SADD set {ELEMENT}", (("PING", 1),)),
    "spop": ("SPOP set", ((f"SADD set {ELEMENT}", 6_000_000),)),
    "hset": (f"HSET hash {ELEMENT} {VALUE}", (("PING", 1),)),
    "zadd": (f"ZADD zset __rand__ {ELEMENT}", (("PING", 1),)),
    "xadd": (f"XADD stream * field1 {VALUE} field2 {VALUE} field3 {VALUE}", (("PING", 1),)),
    "zpopmin": ("ZPOPMIN zset", ((f"ZADD zset __rand__ {ELEMENT}", 6_000_000),)),
}

COLLECTION_LOADS = [
    Load(
        f"{name}-p{depth}",
        f"{name.upper()}, pipeline {depth}",
        {"command": command, "pipeline": depth},
        title="Collections",
        keys=10_000_000 if name in ("spop", "zpopmin") else 100_000,
        cpu_bar=0.9 if depth == 1 else None,
        rate_bar=1.3 if depth == 16 else None,
        setup=setup,
    )
    for depth in (1, 16)
    for name, (command, setup) in COLLECTION_COMMANDS.items()
]

MILLION = 1_000_000
SET_OPERATION_LOADS = [
    Load(
        name.lower(),
        f"{name} of two sets of 1,000,000",
        {"command": f"{name} a b"},
        title="Operations on sets",
        clients=1,
        keys=MILLION,
        rate_bar=1.3,
        setup=(("SADD a member:__rand__", MILLION), ("SADD b member:__rand__", MILLION)),
    )
    for name in ("SINTER", "SUNION")
]

# Random numbers come twice now and then: after four requests for each nearly all have come.
SORTED_SET = "ZADD zset __rand__ member:__rand__"
SORTED_SET_COMMANDS = {
    "zadd": SORTED_SET,
    "zrank": "ZRANK zset member:__rand__",
    "zrangebyscore": "ZRANGEBYSCORE zset __rand__ inf LIMIT 0 10",
}
SORTED_SET_LOADS = [
    *(
        Load(
            f"{name}-million",
            f"{name.upper()} in a sorted set of 1,000,000, pipeline 16",
            {"command": command, "pipeline": 16},
            title="Large sorted sets",
            keys=MILLION,
            rate_bar=1.5,
            setup=((SORTED_SET, 4 * MILLION),),
            sequential_setup=False,
        )
        for name, command in SORTED_SET_COMMANDS.items()
    ),
    Load(
        "zunionstore",
        "ZUNIONSTORE of two sorted sets of 100,000",
        {"command": "ZUNIONSTORE result 2 a b"},
        title="Large sorted sets",
        clients=1,
        keys=100_000,
        rate_bar=1.3,
        setup=(
            ("ZADD a __rand__ member:__rand__", 400_000),
            ("ZADD b __rand__ member:__rand__", 400_000),
        ),
        sequential_setup=False,
    ),
]

STREAM_IDS = [f"1-{i}" for i in range(1, 11)]
STREAM_LOADS = [
    Load(
        "xreadgroup",
        "XREADGROUP and XACK of 10 entries, pipeline 16",
        {
            "command": "XGROUP SETID stream group 0;"
            "XREADGROUP GROUP group consumer COUNT 10 STREAMS stream >;"
            "XACK stream group " + " ".join(STREAM_IDS),
            "pipeline": 16,
        },
        title="Consumer groups",
        rate_bar=1.3,
        setup=(
            (
                ";".join(
                    [
                        "DEL stream",
                        *(f"XADD stream {id_} field1 {VALUE} field2 {VALUE}" for id_ in STREAM_IDS),
                        "XGROUP CREATE stream group 0",
                    ]
                ),
                1,
            ),
        ),
    )
]

TRANSACTION = ";".join(["MULTI", *[f"SET key:__rand__ {VALUE}"] * 10, "EXEC"])
MESSAGE_LOADS = [
    Load(
        "multi",
        "MULTI of 10 SETs, pipeline 16",
        {"command": TRANSACTION, "pipeline": 16},
        title="Transactions and messages",
        rate_bar=1.3,
        setup=(("PING", 1),),
    ),
    *(
        Load(
            f"publish-{subscribers}",
            f"PUBLISH to {subscribers:,} subscribers, pipeline 16",
            {"command": f"PUBLISH channel {VALUE}", "pipeline": 16, "subscribers": subscribers},
            title="Transactions and messages",
            clients=10,
            rate_bar=1.5,
            setup=(("PING", 1),),
        )
        for subscribers in (1, 50, 1000)
    ),
]

# Strings of 100 MB. They are written as a whole, since pages that were never written are no memory.
HUNDRED_MEGABYTES = 838_860_800
BITMAP_SETUP = (
    (f"SETBIT zeros {HUNDRED_MEGABYTES - 1} 0", 1),
    ("BITOP NOT a zeros", 1),
    ("BITOP NOT b zeros", 1),
)
BITMAP_COMMANDS = {"bitcount": "BITCOUNT a", "bitop": "BITOP AND result a b"}
BITMAP_LOADS = [
    Load(
        f"{name}-100mb",
        f"{name.upper()} of 100 MB",
        {"command": command},
        title="Bitmaps, HyperLogLogs and places",
        clients=1,
        rate_bar=1,
        setup=BITMAP_SETUP,
    )
    for name, command in BITMAP_COMMANDS.items()
]

# Of two HyperLogLogs that have counted some before.
HYPERLOGLOG_COMMANDS = {
    "pfadd": "PFADD a element:__rand__",
    "pfcount": "PFCOUNT a",
    "pfcount-union": "PFCOUNT a b",
    "pfmerge": "PFMERGE result a b",
}
HYPERLOGLOG_LOADS = [
    Load(
        f"{name}-p16",
        f"{command.split()[0]}{' of two' if ' b' in command else ''}, pipeline 16",
        {"command": command, "pipeline": 16},
        title="Bitmaps, HyperLogLogs and places",
        keys=10_000_000,
        rate_bar=None if name == "pfmerge" else 1.2,
        setup=(("PFADD a element:__rand__", 200_000), ("PFADD b other:__rand__", 200_000)),
        sequential_setup=False,
    )
    for name, command in HYPERLOGLOG_COMMANDS.items()
]

# Places between 0 and 10 degrees: about 160 of them are within ten kilometres of any.
GEO_LOADS = [
    Load(
        name,
        title_,
        {"command": command},
        title="Bitmaps, HyperLogLogs and places",
        keys=MILLION,
        rate_bar=1.2,
        setup=(("GEOADD places __rand__e-5 __rand__e-5 member:__rand__", MILLION),),
        sequential_setup=False,
    )
    for name, title_, command in (
        (
            "geosearch",
            "GEOSEARCH, the 10 nearest within 10 km",
            "GEOSEARCH places FROMLONLAT __rand__e-5 __rand__e-5 BYRADIUS 10 km COUNT 10 ASC",
        ),
        (
            "geosearch-all",
            "GEOSEARCH, all within 10 km with distances and places",
            "GEOSEARCH places FROMLONLAT __rand__e-5 __rand__e-5 BYRADIUS 10 km WITHDIST WITHCOORD",
        ),
    )
]

APPEND_ONLY_LOADS = [
    Load(
        "aof-everysec",
        "SET, pipeline 16, appendfsync everysec",
        {"mix": "set", "pipeline": 16},
        title="Append-only file",
        rate_bar=1.5,
        arguments="--appendonly yes --appendfsync everysec --auto-aof-rewrite-percentage 0",
    ),
    Load(
        "aof-always",
        "SET, appendfsync always",
        {"mix": "set"},
        title="Append-only file",
        rate_bar=1,
        arguments="--appendonly yes --appendfsync always --auto-aof-rewrite-percentage 0",
    ),
]

LOADS = [
    *PLAIN_LOADS,
    *LOOP_LOADS,
    *WIDE_LOADS,
    *LARGE_LOADS,
    *COLLECTION_LOADS,
    *SET_OPERATION_LOADS,
    *SORTED_SET_LOADS,
    *STREAM_LOADS,
    *MESSAGE_LOADS,
    *BITMAP_LOADS,
    *HYPERLOGLOG_LOADS,
    *GEO_LOADS,
    *APPEND_ONLY_LOADS,
]


# MARK: Latency

LATENCY_ROUNDS = 5


def measure_latency(settings: Settings) -> Result:
    """p99.9 at half of what the fastest peer can do."""
    survey = Survey(settings)
    figures = {
        command: Figure(
            f"{command.upper()} at half load: p99.9", "µs", Bar(1, of_best_peer=True)
        )
        for command in ("get", "set")
    }
    seconds = 0.5 if settings.quick else 2.0
    keys = 100_000
    rates: dict[str, float] = {}
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for candidate in survey.rounds(1):
            with survey.attempt(candidate):
                server = stack.enter_context(Server(candidate))
                servers[candidate.name] = server
                load.run(server, fill=True, keys=keys, requests=0, clients=4, pipeline=64)
                rates[candidate.name] = load.run(server, mix="get", keys=keys)["per_second"]
        peers = [rate for name, rate in rates.items() if name != settings.subject.name]
        half = int(max(peers or rates.values()) / 2)
        for candidate in survey.rounds(min(settings.rounds, LATENCY_ROUNDS)):
            for command, figure in figures.items():
                with survey.attempt(candidate):
                    outcome = load.run(
                        servers[candidate.name],
                        mix=command,
                        rate=half,
                        keys=keys,
                        warmup=0.1,
                        seconds=seconds,
                    )
                    figure.add(candidate.name, outcome.latency_us["p99_9"])
    how = f"50 connections, {half:,} requests/s, counted from when each was due"
    return Result("latency", "Latency", how, list(figures.values()), survey.failures)


# MARK: Administration

CROWD = 10_000
ADMINISTRATION = (
    ("INFO", ("INFO", "everything")),
    ("CONFIG GET *", ("CONFIG", "GET", "*")),
    ("CLIENT LIST", ("CLIENT", "LIST")),
)


def measure_administration(settings: Settings) -> Result:
    survey = Survey(settings)
    figures = [Figure(f"{name}: longest", "ms", Bar(20)) for name, _ in ADMINISTRATION]
    crowd = 500 if settings.quick else CROWD
    for candidate in survey.rounds(1):
        with survey.attempt(candidate), Server(candidate) as server, server.client() as client:
            client.command("CONFIG", "SET", "maxclients", crowd + 100)
            with load.started(server, idle=crowd) as connections:
                connections.first_line()
                for figure, (_, words) in zip(figures, ADMINISTRATION, strict=True):
                    figure.add(candidate.name, max(times_ms(client, words, 20)))
    how = f"{crowd:,} clients; of 20 calls the longest, with its whole reply"
    return Result("administration", "Administration", how, figures, survey.failures)


def times_ms(client: Client, words: tuple[str, ...], count: int) -> list[float]:
    """How long so many calls took, from the request to the end of the reply."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        client.command(*words)
        times.append((time.perf_counter() - start) * 1000)
    return times


# MARK: Instructions

INSTRUCTION_BARS = {"get": 650, "set": 750}


def measure_instructions(settings: Settings) -> Result:
    survey = Survey(settings)
    figures = []
    for command, bar in INSTRUCTION_BARS.items():
        figure = Figure(f"{command.upper()}, pipeline 16", "instructions/request", Bar(bar))
        figures.append(figure)
        for candidate in survey.rounds(1):
            with survey.attempt(candidate):
                profile = callgrind.per_request(candidate, command, quick=settings.quick)
                figure.add(candidate.name, profile.instructions)
    return Result(
        "instructions",
        "Instructions",
        "whole process, user space, counted by callgrind; the difference of two run lengths",
        figures,
        survey.failures,
    )


# MARK: Memory

MEMORY_KEYS = 1_000_000
MEMORY_BAR = Bar(0.8, of_best_peer=True)
IDLE_CONNECTIONS = 1000


def measure_memory(settings: Settings, ttl: int) -> Result:
    survey = Survey(settings)
    title = "Memory, a TTL on each key" if ttl else "Memory"
    figure = Figure(title, "bytes/key", MEMORY_BAR)
    for candidate in survey.rounds(1 if settings.quick else min(settings.rounds, 3)):
        with survey.attempt(candidate), Server(candidate) as server:
            before = server.settled_resident_bytes()
            load.run(server, fill=True, keys=MEMORY_KEYS, requests=0, clients=4, ttl=ttl)
            grown = server.settled_resident_bytes() - before
            figure.add(candidate.name, grown / MEMORY_KEYS)
    return Result(
        "memory-ttl" if ttl else "memory",
        "Memory",
        f"growth of resident memory by {MEMORY_KEYS:,} keys of 16 bytes, values of 16 bytes",
        [figure],
        survey.failures,
    )


def measure_connections(settings: Settings) -> Result:
    survey = Survey(settings)
    figure = Figure("Idle connection", "KiB", Bar(1))
    for candidate in survey.rounds(1 if settings.quick else min(settings.rounds, 3)):
        with survey.attempt(candidate), Server(candidate) as server:
            # The first connections bring in code and buffers that no later one needs again.
            with load.started(server, idle=10) as warm_up:
                warm_up.first_line()
            before = server.settled_resident_bytes()
            with load.started(server, idle=IDLE_CONNECTIONS) as connections:
                connections.first_line()
                grown = server.resident_bytes() - before
            figure.add(candidate.name, grown / IDLE_CONNECTIONS / 1024)
    return Result(
        "connections",
        "Connections",
        f"growth of resident memory by {IDLE_CONNECTIONS:,} connections, each after one PING",
        [figure],
        survey.failures,
    )


LISTENERS = 1000
CHANNELS_EACH = 100


def measure_subscriptions(settings: Settings) -> Result:
    survey = Survey(settings)
    figure = Figure("100,000 subscriptions", "MiB", Bar(0.75, of_best_peer=True))
    for candidate in survey.rounds(1):
        with survey.attempt(candidate), Server(candidate) as server:
            before = server.settled_resident_bytes()
            with load.started(server, idle=LISTENERS, subscriptions=CHANNELS_EACH) as listeners:
                listeners.first_line()
                grown = server.settled_resident_bytes() - before
            figure.add(candidate.name, grown / (1 << 20))
    return Result(
        "memory-subscriptions",
        "Connections",
        f"growth of resident memory by {LISTENERS:,} connections that listen to "
        f"{CHANNELS_EACH} channels each, no two to the same",
        [figure],
        survey.failures,
    )


# MARK: Growth

GROWTH_KEYS = 5_000_000
SLOWLOG_FROM_US = 250


def measure_growth(settings: Settings) -> Result:
    survey = Survey(settings)
    keys = GROWTH_KEYS // 25 if settings.quick else GROWTH_KEYS
    work = Figure("Slowest SET: server's work", "µs", Bar(2000))
    trip = Figure("Slowest SET: round trip", "µs", informative=True)
    tail = Figure("SET: round trip p99.99", "µs", informative=True)
    over = Figure("SETs over 2 ms: round trip", "", informative=True)
    slowlog = Figure("Slowest SET: by SLOWLOG, 0 below 250", "µs", informative=True)
    windows: dict[str, list[list[float]]] = {}
    # Twice, so that a stall of the machine does not fall on the same key in each. The peers, which
    # have no bar here, once: five million round trips take their time.
    again = Survey(replace(settings, peers=[]))
    for candidate in [*survey.rounds(1), *again.rounds(1)]:
        with survey.attempt(candidate), Server(candidate) as server:
            with server.client() as client:
                logging = enable_slowlog(client)
                outcome = load.run(server, worst=True, keys=keys)
                if logging:
                    slowlog.add(candidate.name, slowest_in_slowlog(client))
            windows.setdefault(candidate.name, []).append(outcome["worst_work_of_windows_us"])
            trip.add(candidate.name, outcome.latency_us["max"])
            tail.add(candidate.name, outcome.latency_us["p99_99"])
            over.add(candidate.name, outcome["over_2ms"])
    for name, runs in windows.items():
        work.add(name, repeated_worst(runs))
    return Result(
        "growth",
        "Growth",
        f"SETs of {keys:,} new keys, one at a time on one connection; the server's work is the "
        "most that recurred at the same key in both rounds, by the CPU time the kernel booked; "
        "peers have one round",
        [work, trip, tail, over, slowlog],
        survey.failures,
    )


def repeated_worst(runs: list[list[float]]) -> float:
    """The worst that every run saw at the same place.

    A table grows at the same number of keys each time; the scheduler and the hypervisor strike at
    random. Neighbouring windows count as one place, for what happens at the edge of two.
    """
    pairs_of_runs = [[max(pair) for pair in itertools.pairwise(run)] for run in runs]
    repeated: list[float] = [min(place) for place in zip(*pairs_of_runs, strict=True)]
    return max(repeated)


def enable_slowlog(client: Client) -> bool:
    """Asks the server to time its own commands, where it can."""
    try:
        client.command("CONFIG", "SET", "slowlog-max-len", 10_000)
        client.command("CONFIG", "SET", "slowlog-log-slower-than", SLOWLOG_FROM_US)
        client.command("SLOWLOG", "RESET")
    except ServerError:
        return False
    return True


def slowest_in_slowlog(client: Client) -> float:
    """The longest SET the server timed itself; zero when none was over the threshold."""
    entries = client.command("SLOWLOG", "GET", 10_000)
    sets = [entry for entry in entries if entry[3][0].upper() == "SET"]
    return max((float(microseconds) for _, _, microseconds, *_ in sets), default=0)


# MARK: Start

START_BAR = Bar(50)


def measure_start(settings: Settings) -> Result:
    survey = Survey(settings)
    figure = Figure("Start to ready", "ms", START_BAR)
    for candidate in survey.rounds(5 if settings.quick else 10):
        with survey.attempt(candidate), Server(candidate) as server:
            figure.add(candidate.name, server.ready_after * 1000)
    return Result(
        "start",
        "Start",
        "from starting the process to the answer of the first PING; empty, no files to load",
        [figure],
        survey.failures,
    )


# Collections: the command that adds to them, the bar, and how often it is sent for each element.
COLLECTIONS: dict[str, tuple[str, str, float, int]] = {
    "memory-hash": ("A hash of 1,000,000 fields", f"HSET hash field:__rand__ {VALUE}", 0.75, 1),
    "memory-set": ("A set of 1,000,000 members", "SADD set member:__rand__", 0.75, 1),
    "memory-list": ("A list of 1,000,000 elements", "RPUSH list element:__rand__", 1.0, 1),
    "memory-small-hashes": (
        "1,000,000 hashes of 5 fields",
        "HSET hash:__rand__ f1 v1 f2 v2 f3 v3 f4 v4 f5 v5",
        0.8,
        1,
    ),
    "memory-stream": (
        "A stream of 1,000,000 entries of 3 fields",
        f"XADD stream * field1 value:__rand__ field2 {VALUE} field3 __rand__",
        0.9,
        1,
    ),
    "memory-sorted-set": ("A sorted set of 1,000,000 members", SORTED_SET, 0.65, 4),
}


def measure_collection_memory(settings: Settings, row: str) -> Result:
    survey = Survey(settings)
    title, command, limit, times = COLLECTIONS[row]
    figure = Figure(title, "MiB", Bar(limit, of_best_peer=True))
    for candidate in survey.rounds(1):
        with survey.attempt(candidate), Server(candidate) as server:
            before = server.settled_resident_bytes()
            load.run(
                server,
                command=command,
                keys=MILLION,
                requests=MILLION * times,
                clients=4,
                pipeline=32,
                sequential=times == 1,
            )
            grown = server.settled_resident_bytes() - before
            figure.add(candidate.name, grown / (1 << 20))
    how = "growth of resident memory; names and values of some sixteen bytes"
    return Result(row, "Memory of collections", how, [figure], survey.failures)


# MARK: Expiry

DUE_KEYS = 1000
DUE_EVERY_MS = 3
FAR_TTL_SECONDS = 100_000


def measure_expiry(settings: Settings) -> Result:
    survey = Survey(settings)
    patience = 4.0 if settings.quick else 20.0
    middle = Figure("Expired key gone: median", "ms late")
    last = Figure("Expired key gone: latest", "ms late")
    left = Figure("Expired keys still there at the end", f"of {DUE_KEYS:,}", informative=True)
    for candidate in survey.rounds(1):
        with survey.attempt(candidate), Server(candidate) as server:
            load.run(server, fill=True, keys=MEMORY_KEYS, requests=0, ttl=FAR_TTL_SECONDS)
            with server.client() as client:
                lateness, remaining = watch_expiry(client, patience)
            middle.add(candidate.name, sorted(lateness)[len(lateness) // 2])
            last.add(candidate.name, max(lateness))
            left.add(candidate.name, remaining)
    return Result(
        "expiry",
        "Expiry",
        f"{DUE_KEYS:,} keys due one every {DUE_EVERY_MS} ms among {MEMORY_KEYS:,} with a far TTL; "
        f"seen by DBSIZE only, for {patience:g} s after the last (a key still there counts with "
        "the time waited)",
        [middle, last, left],
        survey.failures,
    )


def watch_expiry(client: Client, patience: float) -> tuple[list[float], int]:
    """How late, in ms, each due key disappeared from DBSIZE, and how many never did."""
    before = client.count("DBSIZE")
    first = int(time.time() * 1000) + 1000
    deadlines = [first + i * DUE_EVERY_MS for i in range(DUE_KEYS)]
    for i, deadline in enumerate(deadlines):
        client.command("SET", f"due:{i}", "x", "PXAT", deadline)
    end = deadlines[-1] + patience * 1000
    lateness: list[float] = []
    while len(lateness) < DUE_KEYS and (now := time.time() * 1000) < end:
        gone = before + DUE_KEYS - client.count("DBSIZE")
        # The n-th to disappear is held against the n-th deadline: which one it was cannot be
        # asked, since looking at a key may be what removes it.
        lateness += [now - deadline for deadline in deadlines[len(lateness) : gone]]
        time.sleep(0.001)
    remaining = deadlines[len(lateness) :]
    return lateness + [end - deadline for deadline in remaining], len(remaining)


PULSE_US = 1000
PULSE_LEAD = 0.5


def measure_burst(settings: Settings) -> Result:
    survey = Survey(settings)
    keys = MEMORY_KEYS // 5 if settings.quick else MEMORY_KEYS
    watched = 4.0 if settings.quick else 10.0
    ping = Figure("Burst of deadlines: longest PING", "ms")
    work = Figure("Burst of deadlines: server's work in a PING", "ms", informative=True)
    gone = Figure("Burst of deadlines: last key gone", "s late")
    for candidate in survey.rounds(1 if settings.quick else min(settings.rounds, 3)):
        with survey.attempt(candidate), Server(candidate) as server:
            deadline = int(time.time()) + (5 if settings.quick else 10)
            load.run(server, fill=True, keys=keys, requests=0, expire_at=deadline)
            outcome, late = watch_burst(server, deadline, watched)
            ping.add(candidate.name, outcome.latency_us["max"] / 1000)
            work.add(candidate.name, outcome["worst_work_us"] / 1000)
            gone.add(candidate.name, late)
    return Result(
        "burst",
        "Burst of deadlines",
        f"{keys:,} keys expire in the same second while a client sends a PING every ms, for "
        f"{watched:g} s (keys still there then count with the time waited)",
        [ping, work, gone],
        survey.failures,
    )


def watch_burst(server: Server, deadline: int, watched: float) -> tuple[load.Outcome, float]:
    """The pulse's outcome, and how many seconds after the deadline the last key was gone."""
    lead = deadline - PULSE_LEAD - time.time()
    if lead < 0:
        raise load.LoadFailed("setting the keys took longer than until their deadline")
    time.sleep(lead)
    end = deadline + watched
    late = watched
    with load.started(server, pulse=PULSE_US, seconds=PULSE_LEAD + watched) as pulse:
        with server.client() as client:
            while (now := time.time()) < end:
                if client.count("DBSIZE") == 0:
                    late = max(now - deadline, 0)
                    break
                time.sleep(0.02)
        return pulse.finish(), late


# MARK: All of them

ROWS = [
    *(Row(load_.row, partial(measure_load, load_=load_)) for load_ in LOADS),
    Row("latency", measure_latency),
    Row("administration", measure_administration),
    Row("instructions", measure_instructions, on_request=True),
    Row("memory", partial(measure_memory, ttl=0)),
    Row("memory-ttl", partial(measure_memory, ttl=FAR_TTL_SECONDS)),
    *(Row(row, partial(measure_collection_memory, row=row)) for row in COLLECTIONS),
    Row("connections", measure_connections),
    Row("memory-subscriptions", measure_subscriptions),
    Row("growth", measure_growth),
    Row("start", measure_start),
    Row("expiry", measure_expiry),
    Row("burst", measure_burst),
    *(Row(row, partial(disk.measure_loading, row=row)) for row in disk.LOAD_TITLES),
    Row("bgsave", disk.measure_saving),
]


def choose(patterns: list[str], instructions: bool) -> list[Row]:
    """The rows that match a pattern as `get-*`; without one, all but those on request."""
    if not patterns:
        return [row for row in ROWS if not row.on_request or instructions]
    for pattern in patterns:
        if not fnmatch.filter([row.name for row in ROWS], pattern):
            raise ValueError(f"no row is called '{pattern}'")
    return [row for row in ROWS if any(fnmatch.fnmatch(row.name, p) for p in patterns)]
