"""The engine contract as a test suite: every engine, with every family that names it, on small made-up tables.

@pytest.mark.parametrize("case", engine_cases(), ids=str)
class TestEveryEngine(EngineContract): ...

An engine is reached through its families, found by `core.registry`: a family plans, the engine trains. A third party's
engine and family are found by their entry points and held to the same contract.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, cast

import pytest

from trainwright.core import registry
from trainwright.core.errors import ArtifactRefused, ResourceMissing, TrainwrightError
from trainwright.core.plan import ModelPlan
from trainwright.core.tasks import Task
from trainwright.engines._contract_jobs import CLASSES, TRAIN_ROWS, VAL_ROWS, Case, engine_cases, make_job
from trainwright.engines._contract_language import GUESS_NATS
from trainwright.engines.contract import Job, ResumePolicy, Session, Unit

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Case", "EngineContract", "digest", "engine_cases", "exported", "make_job", "opened", "policy", "trained"]

_PICKLES = (".pkl", ".pickle", ".joblib")


@contextmanager
def opened(job: Job) -> Iterator[Session]:
    """A session that is closed at the end; the test is skipped where the engine's package is absent."""
    try:
        session = cast("Session", _engine(job).open(job))
    except ResourceMissing as error:
        pytest.skip(error.message)
    try:
        yield session
    finally:
        session.close()


@contextmanager
def trained(job: Job) -> Iterator[Session]:
    """A session that has trained to its end."""
    with opened(job) as session:
        for _ in session.units():
            pass
        yield session


def exported(session: Session, folder: Path, *, rounds: int | None = None) -> str:
    """Export into a new folder and digest every byte of it."""
    folder.mkdir(parents=True)
    session.export(folder, rounds=rounds)
    return digest(folder)


def digest(folder: Path) -> str:
    """One hash over the names and bytes of all files in a folder."""
    hasher = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        hasher.update(path.relative_to(folder).as_posix().encode())
        hasher.update(path.read_bytes())
    return hasher.hexdigest()


def check_shape(predictions: "np.ndarray", task: Task, rows: int) -> None:
    """Predictions are finite float64 of the contract's shape; probabilities sum to one."""
    import numpy as np

    assert predictions.dtype == np.float64
    assert np.isfinite(predictions).all()
    if task in (Task.REGRESSION, Task.LANGUAGE):
        assert predictions.shape == (rows,)
        return
    assert predictions.shape == (rows, CLASSES[task])
    assert (predictions >= 0).all()
    np.testing.assert_allclose(predictions.sum(axis=1), 1.0, rtol=0, atol=1e-9)


class EngineContract:
    """What holds for every engine."""

    def test_units_advance_to_the_end(self, case: Case, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        job = make_job(case, tmp_path / "work")
        with opened(job) as session:
            units = list(session.units())
            check_units(units, job.plan)
            assert list(session.units()) == [], "nothing is left after the end"
        assert capfd.readouterr() == ("", ""), "an engine writes nothing to the terminal"

    @pytest.mark.parametrize("layout", ["dense", "sparse"])
    def test_predictions(self, case: Case, tmp_path: Path, layout: Literal["dense", "sparse"]) -> None:
        import numpy as np

        plan = case.plan()
        if layout == "sparse" and not plan.accepts_sparse:
            pytest.skip("the plan takes no sparse rows")
        job = make_job(case, tmp_path / "work", layout=layout)
        assert job.val is not None
        with opened(job) as session:
            for _ in session.units():  # as the driver does: both parts after every unit
                val = session.predict_part("val")
                train = session.predict_part("train")
            check_shape(val, case.task, VAL_ROWS)
            check_shape(train, case.task, TRAIN_ROWS)
            np.testing.assert_allclose(val, session.predict(job.val.X), rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(train, session.predict(job.train.X), rtol=1e-9, atol=1e-12)
            one = session.predict(job.val.X[:1])
            check_shape(one, case.task, 1)
            np.testing.assert_allclose(one, val[:1], rtol=1e-9, atol=1e-12)

    def test_learns(self, case: Case, tmp_path: Path) -> None:
        import numpy as np

        if case.family == "dummy":
            pytest.skip("a dummy learns nothing")
        job = make_job(case, tmp_path / "work")
        with trained(job) as session:
            predictions = session.predict_part("train")
        if case.task is Task.LANGUAGE:
            assert predictions.sum() / job.train.y.sum() < GUESS_NATS
        elif case.task is Task.REGRESSION:
            assert np.mean((predictions - job.train.y) ** 2) < np.var(job.train.y)
        else:
            assert np.mean(predictions.argmax(axis=1) == job.train.y) > 1.2 / CLASSES[case.task]

    @pytest.mark.parametrize("threads", [1, 2])
    def test_same_seed_same_bytes(self, case: Case, tmp_path: Path, threads: int) -> None:
        found = set()
        for attempt in ("a", "b"):
            with trained(make_job(case, tmp_path / attempt, threads=threads)) as session:
                found.add(exported(session, tmp_path / f"model-{attempt}"))
        assert len(found) == 1

    def test_restored_training_ends_with_the_same_bytes(self, case: Case, tmp_path: Path) -> None:
        job = make_job(case, tmp_path / "whole")
        if not policy(job).exact:
            pytest.skip("this configuration does not promise it")
        saved, undisturbed = self._saved_at_every_unit(job, tmp_path)
        for folder in [saved[i] for i in sorted({0, len(saved) // 2, len(saved) - 1})]:
            resumed = make_job(case, tmp_path / f"resumed-{folder.name}")
            with opened(resumed) as session:
                session.restore(folder)
                for _ in session.units():
                    session.predict_part("val")
                assert exported(session, tmp_path / f"model-{folder.name}") == undisturbed, folder.name

    def _saved_at_every_unit(self, job: Job, tmp_path: Path) -> tuple[list[Path], str]:
        saved: list[Path] = []
        with opened(job) as session:
            for number, _ in enumerate(session.units(), start=1):
                saved.append(tmp_path / f"state-{number}")
                saved[-1].mkdir()
                session.save(saved[-1])
            return saved, exported(session, tmp_path / "undisturbed")

    def test_restore_goes_back(self, case: Case, tmp_path: Path) -> None:
        import numpy as np

        job = make_job(case, tmp_path / "work")
        if not policy(job).exact:
            pytest.skip("this configuration does not promise it")
        with opened(job) as session:
            units = session.units()
            next(units)
            before = session.predict_part("val").copy()
            (tmp_path / "state").mkdir()
            session.save(tmp_path / "state")
            for _ in units:
                pass
            session.restore(tmp_path / "state")
            np.testing.assert_allclose(session.predict_part("val"), before, rtol=1e-9, atol=1e-12)

    def test_foreign_or_damaged_state_is_refused(self, case: Case, tmp_path: Path) -> None:
        job = make_job(case, tmp_path / "work")
        state = tmp_path / "state"
        state.mkdir()
        with opened(job) as session:
            next(session.units())
            session.save(state)
        assert no_pickle(state)
        (tmp_path / "empty").mkdir()
        (tmp_path / "foreign").mkdir()
        (tmp_path / "foreign" / "state.json").write_text('{"engine": "another", "format": 1, "rounds": 1}')
        for name in ("empty", "foreign"):
            with opened(job) as session, pytest.raises(ArtifactRefused):
                session.restore(tmp_path / name)
        for damaged in damaged_copies(state, tmp_path):
            with opened(job) as session, pytest.raises(ArtifactRefused):
                session.restore(damaged)

    def test_exported_model_predicts_the_same(self, case: Case, tmp_path: Path) -> None:
        import numpy as np

        job = make_job(case, tmp_path / "work")
        assert job.val is not None
        with trained(job) as session:
            limits = [None, 1] if session.keeps_every_round else [None]
            for rounds in limits:
                folder = tmp_path / f"model-{rounds}"
                exported(session, folder, rounds=rounds)
                assert (folder / "model.json").is_file()
                assert no_pickle(folder)
                model = _engine(job).load(folder)
                np.testing.assert_array_equal(model.predict(job.val.X), session.predict(job.val.X, rounds=rounds))
                with pytest.raises(TrainwrightError):
                    model.predict(job.val.X[:, :-1])
        for damaged in damaged_copies(tmp_path / "model-None", tmp_path):
            with pytest.raises(ArtifactRefused):
                _engine(job).load(damaged)

    def test_earlier_rounds(self, case: Case, tmp_path: Path) -> None:
        import numpy as np

        job = make_job(case, tmp_path / "work")
        assert job.val is not None
        with opened(job) as session:
            then = {unit.rounds: session.predict_part("val").copy() for unit in session.units()}
            last = max(then)
            for rounds, predictions in then.items():
                if session.keeps_every_round or rounds == last:
                    np.testing.assert_allclose(
                        session.predict(job.val.X, rounds=rounds), predictions, rtol=1e-9, atol=1e-12
                    )
                else:
                    with pytest.raises(ValueError, match=r"."):
                        session.predict(job.val.X, rounds=rounds)

    def test_weights_change_the_model(self, case: Case, tmp_path: Path) -> None:
        if not case.plan().accepts_weights:
            pytest.skip("the plan takes no weights")
        found = set()
        for weighted in (False, True):
            with trained(make_job(case, tmp_path / f"work-{weighted}", weighted=weighted)) as session:
                found.add(session.predict_part("val").tobytes())
        if case.family != "dummy":
            assert len(found) == 2

    def test_missing_cells(self, case: Case, tmp_path: Path) -> None:
        import numpy as np

        if case.plan().features != "native":
            pytest.skip("the feature style leaves none")
        job = make_job(case, tmp_path / "work")
        with trained(job) as session:
            empty = np.full((3, int(job.train.X.shape[1])), np.nan)
            check_shape(session.predict(empty), case.task, 3)

    def test_without_validation_rows(self, case: Case, tmp_path: Path) -> None:
        job = make_job(case, tmp_path / "work", with_val=False)
        with trained(job) as session:
            check_shape(session.predict_part("train"), case.task, TRAIN_ROWS)
            with pytest.raises(ValueError, match=r"."):
                session.predict_part("val")

    def test_facts(self, case: Case, tmp_path: Path) -> None:
        job = make_job(case, tmp_path / "work")
        with trained(job) as session:
            facts = session.facts()
        assert facts.num_parameters >= 0
        assert facts.parameters_kind
        assert set(facts.importance) <= set(job.feature_names)
        if facts.importance:
            assert min(facts.importance.values()) >= 0
            assert sum(facts.importance.values()) == pytest.approx(1.0)
            assert facts.importance_kind

    def test_close_twice(self, case: Case, tmp_path: Path) -> None:
        with opened(make_job(case, tmp_path / "work")) as session:
            session.close()
            session.close()


def check_units(units: Sequence[Unit], plan: ModelPlan) -> None:
    """Positions rise to the plan's rounds (an engine that can add nothing more may end before)."""
    import numpy as np

    rounds = [unit.rounds for unit in units]
    positions = [(unit.rounds, unit.step) for unit in units]
    assert rounds, "at least one unit"
    assert positions == sorted(set(positions))
    assert all((unit.step == 0) is unit.whole for unit in units)
    assert 1 <= rounds[-1] <= plan.rounds
    assert all(unit.seconds >= 0 for unit in units)
    for before, unit in zip([0, *rounds], units, strict=False):
        for values in unit.curves.values():
            assert len(values) == unit.rounds - before
            assert np.isfinite(values).all()
    for earlier, unit in zip([0, *(u.steps for u in units)], units, strict=False):
        assert len(unit.step_losses) in (0, unit.steps - earlier)


def policy(job: Job) -> ResumePolicy:
    """What the engine declares for the job."""
    rows, columns = job.train.rows, int(job.train.X.shape[1])
    return cast("ResumePolicy", _engine(job).resume_policy(job.plan, rows, columns))


def no_pickle(folder: Path) -> bool:
    """Whether no file of a folder is a pickle, by name and by its first bytes."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    return not any(p.suffix in _PICKLES or p.read_bytes()[:2] in (b"\x80\x04", b"\x80\x05") for p in files)


def damaged_copies(folder: Path, tmp_path: Path) -> Iterator[Path]:
    """Copies of a folder, each with one file cut short or missing."""
    import shutil

    for number, path in enumerate(sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())):
        for damage in ("cut", "gone"):
            copy = tmp_path / f"{folder.name}-{damage}-{number}"
            shutil.copytree(folder, copy)
            content = (copy / path).read_bytes()
            (copy / path).unlink()
            if damage == "cut":
                (copy / path).write_bytes(content[: len(content) // 2])
            yield copy


def _engine(job: Job) -> ModuleType:
    return registry.load("engines", job.plan.engine)
