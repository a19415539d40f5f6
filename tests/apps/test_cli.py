"""The command line: one JSON object, the right exit code, the same words, and never a traceback."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

import trainwright
from tests.apps.fake_pipeline import LEAK, NOTE, WARNING, FakePipeline, result
from trainwright.apps.cli import make_app, run
from trainwright.core import errors
from trainwright.core.findings import Finding, Severity
from trainwright.run.result import RunResult

COMMANDS = ("init", "check", "train", "resume", "predict", "report", "compare", "runs", "schema", "families", "engines")
ROOT = Path(__file__).resolve().parents[2]


def python(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "trainwright", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakePipeline:
    fake = FakePipeline(lambda: result(tmp_path / "runs" / "churn-1"))
    monkeypatch.setitem(sys.modules, "trainwright.pipeline", fake)
    monkeypatch.setattr(trainwright, "pipeline", fake, raising=False)
    return fake


def raising(error: BaseException) -> Callable[[], RunResult]:
    def act() -> RunResult:
        raise error

    return act


# --- help and usage


def test_the_list_of_commands_is_whole_on_80_columns(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["--help"]) == 0
    shown = capfd.readouterr().out
    lines = shown[shown.index("Commands:") : shown.index("Start here:")].splitlines()[1:]
    told = [line for line in lines if line.strip()]
    assert len(told) == len(typer.main.get_command(make_app(rich_help=False)).commands)  # type: ignore[attr-defined]
    assert [line for line in told if not line.endswith(".") or line.endswith("...") or len(line) > 80] == []


def test_no_arguments_print_help(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    shown = capfd.readouterr().out
    assert all(f"\n  {command} " in shown for command in COMMANDS)
    assert "Exit codes: 0 done; 2 spec" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples_and_json(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    shown = capfd.readouterr().out
    assert "--json" in shown
    assert f"\n  trainwright {command}" in shown


def test_help_loads_nothing_heavy() -> None:
    heavy = {"numpy", "pandas", "sklearn", "scipy", "pyarrow", "matplotlib", "lightgbm", "xgboost", "catboost", "torch"}
    code = (
        "import sys; from trainwright.apps.cli import run; run(['--help']); run(['train', '--help']);"
        f"print(*({heavy | {'rich'}} & set(sys.modules)), sep=', ', end='', file=sys.stderr)"
    )
    done = python(code=code)
    assert done.stderr == ""
    assert done.returncode == 0


def test_version(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capfd.readouterr().out == f"trainwright {trainwright.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'?"),
        (["train"], "Missing argument 'SPEC'"),
        (["train", "spec.yaml", "--jsn"], "No such option: --jsn"),
        (["train", "a", "b"], "unexpected extra argument"),
    ],
)
def test_usage_errors_are_exit_2(arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    text = capfd.readouterr()
    assert text.out == ""
    assert said in text.err
    assert "--help`." in text.err

    assert run([*arguments, "--json"]) == 2
    text = capfd.readouterr()
    failure = json.loads(text.out)
    assert failure["status"] == "error"
    assert failure["exit_code"] == 2
    assert failure["error"]["kind"] == "usage"
    assert said in failure["error"]["message"]


def test_help_is_help_with_json_as_well(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--json", "--help"]) == 0
    assert capfd.readouterr().out.startswith("Usage: trainwright train")


# --- train


def test_train_passes_its_options_on(pipeline: FakePipeline, tmp_path: Path) -> None:
    assert run(["train", "s.yaml", "-o", "seed=7", "-o", "a.b=1", "--out", str(tmp_path), "--trust-code"]) == 0
    assert pipeline.calls == [
        (
            "train",
            {"spec": Path("s.yaml"), "overrides": ("seed=7", "a.b=1"), "out": tmp_path, "trust_code": True},
        )
    ]


def test_json_is_one_object_with_the_contract_keys(pipeline: FakePipeline, capfd: pytest.CaptureFixture[str]) -> None:
    def act() -> RunResult:
        os.write(1, b"native library noise\n")
        print("Python library noise")
        return result(Path("runs/churn-1"))

    pipeline.on_train = act
    assert run(["train", "spec.yaml", "--json"]) == 0
    text = capfd.readouterr()
    value = json.loads(text.out)
    assert list(value) == ["status", "run", "metrics", "primary", "best_params", "findings", "artifacts", "seconds"]
    assert set(value["metrics"]) == {"train", "val", "test"}
    assert value["primary"] == {"name": "roc_auc", "value": 0.85, "direction": "maximize"}
    assert "native library noise" in text.err
    assert "Python library noise" in text.err
    assert "fit" in text.err, "progress goes to standard error"


def test_double_dash_ends_options(pipeline: FakePipeline, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--quiet", "--", "--json"]) == 0
    assert pipeline.calls[0][1]["spec"] == Path("--json")
    assert "roc_auc" in capfd.readouterr().out


def test_headline_says_what_matters(pipeline: FakePipeline, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "spec.yaml", "--quiet"]) == 0
    shown = capfd.readouterr().out
    assert "val 0.8500 (95% 0.8300 to 0.8700)" in shown
    assert "test 0.8312 (0.8000 to 0.8600)" in shown
    assert "beats dummy (val 0.5000) and linear (val 0.8400)" in shown
    assert "Acceptable" in shown
    assert "roc_auc 0.8456 ± 0.0123" in shown
    assert "Found: 1 warning, 1 note" in shown
    assert shown.index(WARNING.sentence()) < shown.index(NOTE.sentence()), "worst first"
    assert "churn-1/report.md" in shown
    assert "trainwright predict" in shown


def test_headline_counts_what_it_does_not_show(pipeline: FakePipeline, capfd: pytest.CaptureFixture[str]) -> None:
    many = [
        Finding(code="c", severity=Severity.INFO, where=f"column {number}", what="was seen") for number in range(11)
    ]
    pipeline.on_train = lambda: result(Path("runs/x"), findings=[*many, WARNING])
    run(["train", "spec.yaml", "--quiet"])
    shown = capfd.readouterr().out
    assert shown.count("was seen") == 7
    assert "and 4 more" in shown


def test_losing_to_a_baseline_is_said(pipeline: FakePipeline, capfd: pytest.CaptureFixture[str]) -> None:
    pipeline.on_train = lambda: result(Path("runs/x"), beaten=False)
    run(["train", "spec.yaml", "--quiet"])
    assert "DOES NOT BEAT linear (val 0.8400)" in capfd.readouterr().out


def test_progress_in_a_pipe_is_a_line_now_and_then(pipeline: FakePipeline, capfd: pytest.CaptureFixture[str]) -> None:
    run(["train", "spec.yaml"])
    shown = capfd.readouterr().out
    assert shown.count("val log_loss") == 5, "20 rounds in 20 s: one line in 5 s, and the end"
    assert "round 5 of 200, val log_loss 0.2000 (best 0.2000 at 5), 5.00 s" in shown
    assert "val log_loss 0.5000 (best 0.0526 at 19)" in shown
    assert "✓ fit  21.0 s; 20 rounds, best at 19; early stopping; val log_loss 0.0526" in shown
    assert shown.count(NOTE.what) == 1, "notes wait for the end"
    assert f"{WARNING.where}: {WARNING.what}  [{WARNING.code}]" in shown
    assert "\x1b" not in shown, "no escape codes in a pipe"


def test_quiet_has_no_progress(pipeline: FakePipeline, capfd: pytest.CaptureFixture[str]) -> None:
    run(["train", "spec.yaml", "--json", "--quiet"])
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("status", "code"), [("done", 0), ("stopped", 75), ("failed", 5), ("running", 5)])
def test_only_a_finished_run_is_exit_0(pipeline: FakePipeline, status: str, code: int) -> None:
    pipeline.on_train = lambda: result(Path("runs/x"), status=status)
    assert run(["train", "spec.yaml", "--quiet"]) == code


# --- failures


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (errors.SpecError("the spec is wrong"), 2, "spec"),
        (errors.DataRefused("the data leaks", findings=[LEAK]), 3, "data"),
        (errors.ChecksFailed("no"), 4, "checks"),
        (errors.TrainingFailed("no"), 5, "training"),
        (errors.VerificationFailed("no"), 6, "verification"),
        (errors.ArtifactRefused("no"), 7, "artifact"),
        (errors.ResourceMissing("no"), 8, "resource"),
        (errors.Stopped("saved", by_user=False), 75, "stopped"),
        (errors.Stopped("saved", by_user=True), 130, "stopped"),
        (MemoryError(), 8, "resource"),
        (OSError(errno.ENOSPC, "no space", "model.txt"), 8, "resource"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_failures_have_their_exit_code(
    pipeline: FakePipeline, error: BaseException, code: int, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    pipeline.on_train = raising(error)
    assert run(["train", "spec.yaml", "--quiet", "--json"]) == code
    failure = json.loads(capfd.readouterr().out)
    assert failure["exit_code"] == code
    assert failure["error"]["kind"] == kind
    assert failure["status"] == ("stopped" if kind == "stopped" else "error")
    assert failure["error"]["message"]

    assert run(["train", "spec.yaml", "--quiet"]) == code
    text = capfd.readouterr()
    assert text.out == ""
    assert failure["error"]["message"] in text.err


def test_a_finding_has_the_same_words_everywhere(pipeline: FakePipeline, capfd: pytest.CaptureFixture[str]) -> None:
    pipeline.on_train = raising(errors.DataRefused("refused", findings=[LEAK]))
    run(["train", "spec.yaml", "--quiet"])
    assert LEAK.sentence() in capfd.readouterr().err
    run(["train", "spec.yaml", "--quiet", "--json"])
    told = json.loads(capfd.readouterr().out)["error"]["findings"]
    assert told == [LEAK.to_json()]


def test_findings_in_the_message_are_not_repeated(pipeline: FakePipeline, capfd: pytest.CaptureFixture[str]) -> None:
    pipeline.on_train = raising(errors.DataRefused(f"refused:\n- {LEAK.sentence()}", findings=[LEAK]))
    run(["train", "spec.yaml", "--quiet"])
    assert capfd.readouterr().err.count(LEAK.what) == 1


def test_a_bug_shows_no_traceback_and_keeps_it(
    pipeline: FakePipeline, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pipeline.on_train = raising(ZeroDivisionError("oops"))
    assert run(["train", "spec.yaml", "--quiet"]) == 5
    text = capfd.readouterr().err
    assert "Traceback" not in text
    assert "internal error: ZeroDivisionError: oops" in text
    assert "please report" in text
    (kept,) = tmp_path.glob("trainwright-error-*.txt")
    assert str(kept) in text
    assert "Traceback" in kept.read_text()


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_debug_shows_the_traceback(extra: list[str], pipeline: FakePipeline, capfd: pytest.CaptureFixture[str]) -> None:
    pipeline.on_train = raising(ZeroDivisionError("oops"))
    assert run(["--debug", "train", "spec.yaml", "--quiet", *extra]) == 5
    assert "Traceback" in capfd.readouterr().err


def test_a_closed_pipe_does_not_stop_the_run(tmp_path: Path) -> None:
    marker = tmp_path / "finished"
    code = f"""
import sys, trainwright
from pathlib import Path
from tests.apps.fake_pipeline import FakePipeline, result
def act():
    Path({str(marker)!r}).touch()
    return result(Path("runs/x"))
sys.modules["trainwright.pipeline"] = trainwright.pipeline = FakePipeline(act)
from trainwright.apps.cli import main
sys.argv = ["trainwright", "train", "spec.yaml"]
main()
"""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    process.stdout.close()
    _, told = process.communicate(timeout=60)
    assert told == b""
    assert process.returncode == 0
    assert marker.exists()


def test_a_locale_without_the_characters_does_not_stop_a_run() -> None:
    code = r"""
import sys, trainwright
from pathlib import Path
from tests.apps.fake_pipeline import FakePipeline, result
sys.modules["trainwright.pipeline"] = trainwright.pipeline = FakePipeline(lambda: result(Path("runs/\udcff\u0436")))
from trainwright.apps.cli import make_app, run
sys.exit(run(["train", "spec.yaml"]) or run(["train", "spec.yaml", "--json"]))
"""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    assert b"0.8500" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["run"] == "runs/\udcff\u0436"


# --- the other commands


def test_schema_is_the_schema_itself(pipeline: FakePipeline, capfd: pytest.CaptureFixture[str]) -> None:
    for arguments in (["schema"], ["schema", "--json"]):
        assert run(arguments) == 0
        assert json.loads(capfd.readouterr().out) == {"type": "object", "title": "Spec – a run"}


def test_families_as_a_table_and_as_json(pipeline: FakePipeline, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["families"]) == 0
    assert capfd.readouterr().out.splitlines() == [
        "name      tasks   engines   summary",
        "lightgbm  binary  lightgbm  boosted trees",
    ]
    assert run(["families", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["families"][0]["name"] == "lightgbm"


def test_predictions_go_to_standard_output_alone(pipeline: FakePipeline, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "runs/x", "new.csv"]) == 0
    assert capfd.readouterr().out == "prediction\n1.5\n2.5\n3.5\n"


def test_predictions_in_a_file_are_announced(
    pipeline: FakePipeline, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["predict", "runs/x", "new.csv", "-o", str(tmp_path / "p.csv")]) == 0
    assert f"3 predictions in {tmp_path / 'p.csv'}" in capfd.readouterr().out
