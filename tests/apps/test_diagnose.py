"""``trainwright diagnose`` as people and programs meet it."""

import json

import pytest

from tests.doctor import log_files
from tests.doctor.log_files import curves
from trainwright.apps import blocks
from trainwright.apps.cli import run
from trainwright.doctor.history import Series


def test_a_sick_log_is_shown_with_curves_causes_and_what_to_do(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert run(["diagnose", str(log_files.keras_csv(tmp_path, curves("broken")))]) == 0
    shown = capsys.readouterr().out
    assert "doctor.non_finite" in shown
    assert "likely" in shown
    assert "learning rate" in shown
    assert "! not a finite number" in shown
    drawn = [line for line in shown.splitlines() if "│" in line]
    assert len(drawn) == 10
    assert max(map(len, drawn)) <= 60


def test_a_healthy_log_says_so(tmp_path, capsys):
    assert run(["diagnose", str(log_files.plain_lines(tmp_path, curves("healthy")))]) == 0
    assert "no symptom was found" in capsys.readouterr().out


def test_json_is_one_object(tmp_path, capsys):
    assert run(["diagnose", str(log_files.trainer_state(tmp_path, curves("broken"))), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["status"] == "ok"
    assert value["format"] == "Hugging Face trainer state"
    assert value["findings"][0]["code"] == "doctor.non_finite"
    curve = value["curves"]["val_loss"]
    assert (curve["name_in_log"], curve["points"], curve["non_finite"]) == ("eval_loss", 40, 21)
    assert (curve["last"], curve["best_step"], curve["last_step"]) == ("nan", 190, 400)


@pytest.mark.parametrize(("name", "code"), [("absent", 2), ("empty", 7), (".", 2)])
def test_what_cannot_be_read_has_its_exit_code(name, code, tmp_path, capsys):
    (tmp_path / "empty").mkdir() if name == "." else (tmp_path / "empty").touch()
    assert run(["diagnose", str(tmp_path / name)]) == code
    assert "a training log is required" in capsys.readouterr().err


def test_gradients_need_a_run(tmp_path, capsys):
    path = log_files.keras_csv(tmp_path, curves("healthy"))
    assert run(["diagnose", str(path), "--gradients"]) == 2
    assert "gradients need a run folder" in capsys.readouterr().err


@pytest.mark.slow
def test_gradients_of_a_run_are_told_and_drawn_and_change_nothing(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    table = tmp_path / "table.csv"
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(200, 3, generator=generator)
    lines = [f"{a:.4f},{b:.4f},{c:.4f},{'yes' if a + b > 0 else 'no'}" for a, b, c in rows.tolist()]
    table.write_text("a,b,c,y\n" + "\n".join(lines) + "\n")
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "name: net\narchitecture: {model_type: mlp}\ndata: {train_path: table.csv, target: y}\n"
        "training: {epochs: 2, batch_size: 16, threads: 1}\nbaselines: [dummy]\n"
    )
    assert run(["train", str(spec), "--out", str(tmp_path / "runs"), "--json"]) == 0
    folder = json.loads(capsys.readouterr().out)["run"]
    before = {p: p.read_bytes() for p in (tmp_path / "runs").rglob("*") if p.is_file()}
    assert run(["diagnose", folder, "--gradients", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["gradients"]["rows"] == 16
    assert {g["layer"] for g in first["gradients"]["layers"]} >= {"output"}
    after = {p: p.read_bytes() for p in (tmp_path / "runs").rglob("*") if p.is_file()}
    assert {p.name for p in after.keys() - before.keys()} == {"gradients.png"}
    assert all(after[p] == content for p, content in before.items())
    assert run(["diagnose", folder, "--gradients", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == first
    table.write_text(table.read_text() + "1,1,1,yes\n")
    assert run(["diagnose", folder, "--gradients"]) == 3


def test_drawing_takes_any_numbers():
    odd = Series((1.0, 2.0, 3.0), (float("nan"), 1e308, -1e308))
    flat = Series((1.0,), (3.0,))
    for series in (odd, flat, Series((1.0, 2.0), (float("inf"), float("nan")))):
        lines = blocks.draw(blocks.Line("loss", series), None, axis="step", width=30, unicode=False)
        assert all(len(line) <= 42 and line.isascii() for line in lines[:-1])
    assert blocks.draw(blocks.Line("loss", Series()), None, axis="step", width=30) == []
