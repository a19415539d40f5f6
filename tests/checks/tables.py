"""Honest tables, and the faults that are planted into them: a fault changes a frame and says what must be found."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tests.checks.builders import Wanted, build
from trainwright.core.tasks import Task
from trainwright.data.dataset import Dataset

N = 2_000


def honest(task: Task, *, rows: int = N, seed: int = 0) -> pd.DataFrame:
    """Numbers, categories and gaps; the target ``y`` follows several columns with noise."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(rows, 5)), columns=[f"x{i}" for i in range(5)])
    frame["town"] = rng.choice(["Rome", "Oslo", "Lima", "Kyiv", "Bonn"], rows)
    frame["visits"] = rng.poisson(3, rows)
    frame["income"] = np.where(rng.random(rows) < 0.2, np.nan, rng.lognormal(10, 1, rows))
    signal = frame.x0 + 0.7 * frame.x1 + (frame.town == "Rome") + 0.5 * rng.normal(size=rows)
    if task is Task.REGRESSION:
        frame["y"] = signal * 10 + 50
    elif task is Task.BINARY:
        frame["y"] = np.where(signal > 0.3, "yes", "no")
    else:
        frame["y"] = np.array(["low", "mid", "high"])[np.searchsorted([-0.4, 0.8], signal)]
    return frame


def people(*, rows: int = N, name: str = "patient_id", seed: int = 0) -> pd.DataFrame:
    """Ten rows a person: the target and two columns belong to the person."""
    rng = np.random.default_rng(seed)
    count = rows // 10
    person = rng.permutation(np.repeat(np.arange(count), 10))
    own = rng.normal(size=count)
    frame = pd.DataFrame({name: person + 1000, "born": rng.integers(1940, 2000, count)[person]})
    frame["sex"] = np.array(["f", "m"])[rng.integers(0, 2, count)][person]
    frame["x"] = rng.normal(size=rows)
    frame["y"] = own[person] * 3 + frame.x + 0.3 * rng.normal(size=rows)
    return frame


def hours(*, rows: int = 3_000, seed: int = 0) -> pd.DataFrame:
    """One row an hour: the target changes slowly."""
    rng = np.random.default_rng(seed)
    y = np.zeros(rows)
    for i in range(1, rows):
        y[i] = 0.97 * y[i - 1] + rng.normal()
    frame = pd.DataFrame(
        {"when": pd.date_range("2024-01-01", periods=rows, freq="h"), "x": y * 0.2 + rng.normal(size=rows)}
    )
    return frame.assign(y=y + 20)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A planted fault: the check that must find it, its verdict, and where."""

    name: str
    check: str
    verdict: str
    where: str
    make: Callable[[], Dataset]


def _planted(
    task: Task, change: Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame], wanted: Wanted | None = None
) -> Callable[[], Dataset]:
    def make() -> Dataset:
        frame = change(honest(task), np.random.default_rng(1))
        return build(frame, wanted or Wanted(target="y", task=task))

    return make


def _half_filled(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """Filled for most of the churned and nobody else."""
    return pd.Series(np.where((frame.y == "yes") & (rng.random(len(frame)) < 0.7), "price", None), dtype="str")


def _shared(copies: int) -> Callable[[], Dataset]:
    """Some training rows once more in the validation file."""

    def make() -> Dataset:
        frame = honest(Task.BINARY)
        parts = np.array(["train"] * 1200 + ["val"] * 400 + ["test"] * 400)
        frame.iloc[1200 : 1200 + copies] = frame.iloc[:copies].to_numpy()
        return build(frame, Wanted(target="y", strategy="given", parts=list(parts)))

    return make


def _timed(**wanted: object) -> Callable[[], Dataset]:
    return lambda: build(hours(), replace(Wanted(target="y", task=Task.REGRESSION), **wanted))  # type: ignore[arg-type]  # test shorthand


def _calendar() -> Dataset:
    frame = hours()
    frame["No"], frame["year"], frame["month"] = np.arange(1, len(frame) + 1), frame.when.dt.year, frame.when.dt.month
    frame["day"], frame["hour"] = frame.when.dt.day, frame.when.dt.hour
    return build(frame.drop(columns="when"), Wanted(target="y", task=Task.REGRESSION))


def _future(make: Callable[[pd.Series], pd.Series]) -> Callable[[], Dataset]:
    return lambda: build(
        hours().assign(extra=lambda f: make(f.y)),
        Wanted(target="y", task=Task.REGRESSION, strategy="time", column="when", time="when"),
    )


def _given_groups() -> Dataset:
    frame = people(name="who")
    return build(frame, Wanted(target="y", task=Task.REGRESSION, group="who"))


B, M, R = Task.BINARY, Task.MULTICLASS, Task.REGRESSION
FAULTS = (
    Fault(
        name="binary copy",
        check="target_leakage",
        verdict="leak",
        where="extra",
        make=_planted(B, lambda f, r: f.assign(extra=(f.y == "yes").astype(int))),
    ),
    Fault(
        name="class codes",
        check="target_leakage",
        verdict="leak",
        where="extra",
        make=_planted(M, lambda f, r: f.assign(extra=f.y.map({"low": "q", "mid": "a", "high": "z"}))),
    ),
    Fault(
        name="finer than the class",
        check="target_leakage",
        verdict="leak",
        where="extra",
        make=_planted(M, lambda f, r: f.assign(extra=f.y + pd.Series(r.integers(0, 4, len(f)).astype(str)))),
    ),
    Fault(
        name="number copy",
        check="target_leakage",
        verdict="leak",
        where="extra",
        make=_planted(R, lambda f, r: f.assign(extra=f.y)),
    ),
    Fault(
        name="monotone transform",
        check="target_leakage",
        verdict="leak",
        where="extra",
        make=_planted(R, lambda f, r: f.assign(extra=-np.log1p(f.y.clip(lower=0) + 1))),
    ),
    Fault(
        name="copy with gaps",
        check="target_leakage",
        verdict="leak",
        where="extra",
        make=_planted(R, lambda f, r: f.assign(extra=f.y.where(r.random(len(f)) < 0.8))),
    ),
    Fault(
        name="no monotone function",
        check="target_leakage",
        verdict="leak",
        where="extra",
        make=_planted(R, lambda f, r: f.assign(extra=np.where(f.y > 50, f.y, 500 - f.y))),
    ),
    Fault(
        name="copy, 1% wrong",
        check="target_leakage",
        verdict="warning",
        where="extra",
        make=_planted(
            B, lambda f, r: f.assign(extra=(f.y == "yes") ^ (r.random(len(f)) < 0.005)).astype({"extra": int})
        ),
    ),
    Fault(
        name="noisy copy",
        check="target_leakage",
        verdict="warning",
        where="extra",
        make=_planted(R, lambda f, r: f.assign(extra=f.y + 0.05 * f.y.std() * r.normal(size=len(f)))),
    ),
    Fault(
        name="score named after the target",
        check="target_leakage",
        verdict="warning",
        where="churned_score",
        make=lambda: build(
            honest(B)
            .rename(columns={"y": "churned"})
            .assign(churned_score=lambda f: (f.churned == "yes") + 0.7 * np.random.default_rng(2).normal(size=len(f))),
            Wanted(target="churned"),
        ),
    ),
    Fault(
        name="cancel reason",
        check="after_the_fact",
        verdict="warning",
        where="cancel_reason",
        make=_planted(B, lambda f, r: f.assign(cancel_reason=_half_filled(f, r))),
    ),
    Fault(
        name="filled only for one class",
        check="after_the_fact",
        verdict="leak",
        where="extra",
        make=_planted(B, lambda f, r: f.assign(extra=np.where(f.y == "yes", r.normal(size=len(f)), np.nan))),
    ),
    Fault(name="100 shared rows", check="shared_rows", verdict="leak", where="validation", make=_shared(100)),
    Fault(name="8 shared rows", check="shared_rows", verdict="leak", where="validation", make=_shared(8)),
    Fault(
        name="people on both sides",
        check="group_leakage",
        verdict="leak",
        where="patient_id",
        make=lambda: build(people(), Wanted(target="y", task=R)),
    ),
    Fault(
        name="people, spelled otherwise",
        check="group_leakage",
        verdict="leak",
        where="SubjectNr",
        make=lambda: build(people(name="SubjectNr"), Wanted(target="y", task=R)),
    ),
    Fault(
        name="people, column left out",
        check="group_leakage",
        verdict="leak",
        where="patient_id",
        make=lambda: build(people(), Wanted(target="y", task=R, ignored=("patient_id",))),
    ),
    Fault(
        name="people without a name",
        check="group_leakage",
        verdict="warning",
        where="c17",
        make=lambda: build(people(name="c17"), Wanted(target="y", task=R)),
    ),
    Fault(name="named group straddles", check="group_leakage", verdict="leak", where="who", make=_given_groups),
    Fault(name="hours shuffled", check="time_leakage", verdict="leak", where="when", make=_timed()),
    Fault(
        name="calendar columns shuffled",
        check="time_leakage",
        verdict="leak",
        where="year, month, day, hour",
        make=_calendar,
    ),
    Fault(
        name="given files interleaved",
        check="time_leakage",
        verdict="leak",
        where="when",
        make=_timed(strategy="given"),
    ),
    Fault(
        name="time split the wrong way round",
        check="time_leakage",
        verdict="leak",
        where="when",
        make=_timed(strategy="time", column="when", parts=["val"] * 600 + ["train"] * 1800 + ["test"] * 600),
    ),
    Fault(
        name="next value",
        check="future_values",
        verdict="leak",
        where="extra",
        make=_future(lambda y: y.shift(-1).bfill().ffill()),
    ),
    Fault(
        name="mean of the next day",
        check="future_values",
        verdict="leak",
        where="extra",
        make=_future(lambda y: y[::-1].rolling(24).mean()[::-1].shift(-1).ffill()),
    ),
    Fault(
        name="centred mean",
        check="future_values",
        verdict="leak",
        where="extra",
        make=_future(lambda y: y.rolling(5, center=True).mean().bfill().ffill()),
    ),
    Fault(
        name="row number as a feature",
        check="identifiers",
        verdict="warning",
        where="row",
        make=_planted(B, lambda f, r: f.assign(row=np.arange(len(f)))),
    ),
    Fault(
        name="key as a feature",
        check="identifiers",
        verdict="warning",
        where="reference",
        make=_planted(B, lambda f, r: f.assign(reference=[f"{v:08x}" for v in r.choice(2**31, len(f), replace=False)])),
    ),
    Fault(
        name="one class",
        check="target",
        verdict="failed",
        where="y",
        make=_planted(B, lambda f, r: f.assign(y="no"), Wanted(target="y", task=B)),
    ),
    Fault(name="constant", check="target", verdict="failed", where="y", make=_planted(R, lambda f, r: f.assign(y=3.0))),
    Fault(
        name="two-row class",
        check="target",
        verdict="warning",
        where="y",
        make=_planted(M, lambda f, r: f.assign(y=f.y.where(f.index > 1, "rare"))),
    ),
    Fault(
        name="classes as numbers",
        check="target",
        verdict="warning",
        where="y",
        make=_planted(R, lambda f, r: f.assign(y=r.integers(0, 4, len(f)).astype(float))),
    ),
    Fault(
        name="imbalance",
        check="imbalance",
        verdict="warning",
        where="y",
        make=_planted(B, lambda f, r: f.assign(y=np.where(r.random(len(f)) < 0.006, "yes", "no"))),
    ),
    Fault(
        name="tiny",
        check="tiny_data",
        verdict="failed",
        where="rows",
        make=lambda: build(honest(B, rows=25), Wanted(target="y")),
    ),
)
