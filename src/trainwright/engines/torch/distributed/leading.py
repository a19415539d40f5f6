"""Rank 0, which leads, and the others, which do what it announces."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from trainwright.core.findings import Finding
from trainwright.engines.contract import Job, ModelFacts, Unit, findings_of
from trainwright.engines.repairs import Loading, Repair, Suspicion
from trainwright.engines.torch.distributed.team import Team

if TYPE_CHECKING:
    from trainwright.engines.contract import Beginning, Floats, Matrix
    from trainwright.engines.torch.session import TorchSession


def follow(session: "TorchSession", team: Team) -> None:
    """Do what rank 0 announces, until it announces the end."""
    units: Iterator[Unit] = iter(())
    while (command := team.listen())["do"] != "end":
        if command["do"] == "units":
            units = session.units()
        elif command["do"] == "unit":
            next(units, None)
        elif command["do"] == "restore":
            session.restore(Path(command["folder"]))
            team.meet()
        elif command["do"] == "gather":
            session.gather()
        elif command["do"] == "suspects":
            session.suspects()
        elif command["do"] == "save":
            with suppress(OSError):  # the leader hears of it too, and decides
                session.save(Path(command["folder"]))
        elif command["do"] == "save_beginning":
            with suppress(OSError):
                session.save_beginning(Path(command["folder"]))
        else:
            session.apply(Repair(action=command["action"], values=command["values"]))


class Led:
    """Rank 0's session, for the driver: announces what all ranks must do."""

    keeps_every_round = False
    keeps_predictions = False

    def __init__(self, session: "TorchSession", team: Team) -> None:
        self._session, self._team = session, team
        self._gathered = False

    def units(self) -> Iterator[Unit]:
        """Train on, all ranks a unit at a time."""
        self._team.announce({"do": "units"})
        units = self._session.units()
        while True:
            self._team.announce({"do": "unit"})
            self._gathered = False
            unit = next(units, None)
            if unit is None:
                return
            yield unit

    def predict_part(self, part: Literal["train", "val"]) -> "Floats":
        """By rank 0 alone, once it has all weights."""
        self._gather()
        return self._session.predict_part(part)

    def predict(self, X: "Matrix", *, rounds: int | None = None) -> "Floats":
        """By rank 0 alone, once it has all weights."""
        self._gather()
        return self._session.predict(X, rounds=rounds)

    def save(self, folder: Path) -> None:
        """Every process writes what it alone holds; rank 0 the document, last."""
        self._team.announce({"do": "save", "folder": str(folder.absolute())})
        self._session.save(folder)

    def beginning(self) -> "Beginning":
        """The training before its first step, by all ranks."""
        return _First(self._session, self._team)

    def restore(self, folder: Path) -> None:
        """All ranks read the same files, which may be gone or replaced once this returns."""
        self._team.announce({"do": "restore", "folder": str(folder.absolute())})
        self._gathered = False
        try:
            self._session.restore(folder)
        finally:
            self._team.meet()

    def export(self, folder: Path, *, rounds: int | None = None) -> None:
        """By rank 0 alone, once it has all weights."""
        self._gather()
        self._session.export(folder, rounds=rounds)

    def facts(self, *, rounds: int | None = None) -> ModelFacts:
        """Rank 0's."""
        return self._session.facts(rounds=rounds)

    def findings(self) -> Sequence[Finding]:
        """Rank 0's."""
        return findings_of(self._session)

    def apply(self, repair: Repair) -> None:
        """Every rank repairs the same."""
        self._team.announce({"do": "apply", "action": repair.action, "values": dict(repair.values)})
        self._session.apply(repair)

    def suspects(self) -> Suspicion:
        """All ranks look at the rows of all, whose network may lie in shares; what they find is the same."""
        self._team.announce({"do": "suspects"})
        return self._session.suspects()

    def loading(self) -> Loading:
        """Rank 0's."""
        return self._session.loading()

    def close(self) -> None:
        """The end for all."""
        self._team.announce({"do": "end"})
        self._session.close()

    def _gather(self) -> None:
        """Rank 0's predictor gets the weights as they are, once after each change."""
        if not self._gathered:
            self._team.announce({"do": "gather"})
            self._session.gather()
            self._gathered = True


class _First:
    """A training before its first step."""

    def __init__(self, session: "TorchSession", team: Team) -> None:
        self._session, self._team = session, team

    def save(self, folder: Path) -> None:
        """Every rank builds it once more and writes what it alone holds."""
        self._team.announce({"do": "save_beginning", "folder": str(folder.absolute())})
        self._session.save_beginning(folder)

    def close(self) -> None:
        """Nothing is held."""


def open_shared(job: Job, team: Team) -> "TorchSession":
    """This process's session."""
    from trainwright.engines.torch.session import TorchSession

    return TorchSession(job, team)
