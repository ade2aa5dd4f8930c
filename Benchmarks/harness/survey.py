"""How a row goes about its servers: in interleaved rounds, and past those that cannot do it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from .load import LoadFailed
from .resp import ServerError
from .servers import Candidate, NotStarted


@dataclass(frozen=True)
class Settings:
    """What the command line chose."""

    subject: Candidate
    peers: list[Candidate]
    rounds: int
    quick: bool

    @property
    def candidates(self) -> list[Candidate]:
        return [self.subject, *self.peers]

    def with_subject_arguments(self, arguments: str) -> "Settings":
        """The same with further arguments for the server under test."""
        subject = self.subject
        return replace(
            self, subject=replace(subject, arguments=f"{subject.arguments} {arguments}".strip())
        )

    def with_arguments(self, arguments: str) -> "Settings":
        """The same with further arguments for every server."""
        peers = [
            replace(peer, arguments=f"{peer.arguments} {arguments}".strip()) for peer in self.peers
        ]
        return replace(self.with_subject_arguments(arguments), peers=peers)


class Survey:
    """Visits every server in turn, A B C A B C, and remembers who failed and why."""

    def __init__(self, settings: Settings) -> None:
        self._candidates = settings.candidates
        self.failures: dict[str, str] = {}

    def rounds(self, count: int) -> Iterator[Candidate]:
        for _ in range(count):
            for candidate in self._candidates:
                if candidate.name not in self.failures:
                    yield candidate

    @contextmanager
    def attempt(self, candidate: Candidate) -> Iterator[None]:
        """A server that cannot do what a row asks for is left out of it from then on."""
        try:
            yield
        except (LoadFailed, NotStarted, ServerError, ConnectionError, TimeoutError) as failure:
            self.failures[candidate.name] = str(failure)
