"""Every format gives the same history and the same findings; what is damaged or no log is refused with the reason."""

import contextlib
import json
import math
import sqlite3
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.doctor import log_files
from tests.doctor.log_files import FORMATS, curves
from trainwright.core.errors import ArtifactRefused, SpecError, TrainwrightError
from trainwright.doctor.examine import examine
from trainwright.doctor.logs import contract, tfrecord
from trainwright.doctor.logs.names import meaning
from trainwright.doctor.logs.numbers import number
from trainwright.doctor.logs.open import READERS, open_log


@pytest.mark.parametrize("write", FORMATS, ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("healthy", None),
        ("broken", "doctor.non_finite"),
        ("diverged", "doctor.loss_exploding"),
        ("overfit", "doctor.overfitting"),
    ],
)
def test_the_same_curves_in_any_format_give_the_same_findings(write, kind, code, tmp_path):
    points = curves(kind)
    log = open_log(write(tmp_path, points))
    assert len(log.history.of("train_loss").values) == len(points)
    for name, at in (("train_loss", 1), ("val_loss", 2)):
        assert log.history.of(name).values == pytest.approx([p[at] for p in points], rel=1e-4, nan_ok=True)
    assert all(f.code != "log.damaged" for f in log.notes)
    codes = {f.code for f in examine(log.history)}
    assert code in codes if code else not codes


def test_every_reader_is_met_by_a_format(tmp_path):
    met = set()
    for write in FORMATS:
        folder = tmp_path / write.__name__
        folder.mkdir()
        met.add(open_log(write(folder, curves("healthy"))).format)
    assert met == {reader.NAME for reader in READERS} - {"Trainwright training log"}


@pytest.mark.parametrize(
    ("raw", "kind", "ours"),
    [
        ("loss", "loss", ("", "loss")),
        ("valLoss", "loss", ("val", "loss")),
        ("Loss/Validation", "loss", ("val", "loss")),
        ("eval_loss", "loss", ("val", "loss")),
        ("valid_0's binary_logloss", "loss", ("val", "binary_logloss")),
        ("run-7 - train/loss", "loss", ("train", "loss")),
        ("train_loss_epoch", "loss", ("train", "loss")),
        ("epoch_loss", "loss", ("", "loss")),
        ("metrics/mAP50", "metric", ("", "map50")),
        ("dev f1", "metric", ("val", "f1")),
        ("val_my_own_thing", "metric", ("val", "my_own_thing")),
        ("lr-Adam/pg1", "other", ("", "learning_rate")),
        ("train/learning_rate", "other", ("", "learning_rate")),
        ("grad_2.0_norm_total", "other", ("", "gradient_norm")),
        ("gnorm", "other", ("", "gradient_norm")),
        ("grad_norm/layer.0.weight", "unknown", ("", "grad_norm_layer_0_weight")),
        ("trainer/global_step", "step", ("", "trainer_global_step")),
        ("Epoch", "epoch", ("", "epoch")),
        ("eval_runtime", "silent", ("", "")),
        ("wall_time", "silent", ("", "")),
        ("zorp", "unknown", ("", "zorp")),
    ],
)
def test_names(raw, kind, ours):
    found = meaning(raw)
    assert (found.kind, (found.part, found.metric)) == (kind, ours)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 1e-3), (" +.5 ", 0.5), ("1,234.5", 1234.5), ("12%", 0.12), ("-Infinity", -math.inf), ("1.#INF", math.inf),
     ("tensor(0.25, device='cuda:0')", 0.25), ("'0.5'", 0.5), ("NaN", math.nan), ("-1.#IND", math.nan),
     ("abc", None), ("1_0", None), ("1e", None), ("0x10", None), ("", None), ("9" * 100, None)],
)  # fmt: skip
def test_numbers(text, value):
    found = number(text)
    assert found == value or (value is not None and math.isnan(value) and math.isnan(found))


def test_a_resumed_training_counts_once(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("step,loss\n1,5\n2,4\n3,9\nstep,loss\n3,3\n4,2\n")
    series = open_log(path).history.of("train_loss")
    assert (series.steps, series.values) == ((1, 2, 3, 4), (5, 4, 3, 2))


def test_steps_that_begin_anew_each_epoch_are_no_position(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,batch,loss\n" + "".join(f"{e},{b},{9 - e - b / 10}\n" for e in range(3) for b in range(4)))
    log = open_log(path)
    assert log.axis == "row"
    assert len(log.history.of("train_loss").values) == 12


def test_what_could_not_be_mapped_is_said(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss,zorp\n" + "".join(f"{i},{1 / i},{i}\n" for i in range(1, 5)))
    (note,) = open_log(path).notes
    assert note.code == "log.names_unused"
    assert "zorp" in note.what


def test_test_values_stand_in_for_validation(tmp_path):
    log = open_log(log_files.catboost_lines(tmp_path, curves("healthy")))
    assert "log.test_as_val" in {n.code for n in log.notes}


def test_a_log_of_ours_is_read_by_stage_and_survives_a_torn_tail(tmp_path):
    events = [{"event": "started", "step": 0, "time_s": 0, "stage": "fit", "facts": {"unit": "epoch"}}]
    for e, t, v in curves("healthy"):
        events.append(
            {"event": "trained", "step": e, "time_s": e, "unit": "epoch", "seconds": 1, "values": {"loss": t}}
        )
        events.append({"event": "evaluated", "step": e, "time_s": e, "metrics": {"val": {"log_loss": v}}})
    path = tmp_path / "training_log.jsonl"
    path.write_text("\n".join(map(json.dumps, events)) + '\n{"event": "tra')
    for source in (path, tmp_path):
        log = open_log(source)
        assert (log.format, log.axis, log.notes) == ("Trainwright training log", "epoch", ())
        assert len(log.history.of("val_loss").values) == 40
    path.write_text(json.dumps(events[0]) + "\n")
    with pytest.raises(ArtifactRefused, match="none has begun"):
        open_log(path)


# TensorBoard


def test_the_checksum_is_castagnolis():
    crc = tfrecord.masked_crc(b"123456789")  # RFC 3720's check value, and TensorFlow's mask
    value = 0xE3069283
    assert crc == (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def test_files_of_torchs_own_writer_are_read(tmp_path):
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        for e, t, v in curves("healthy"):
            writer.add_scalar("Loss/train", t, e)
            writer.add_scalar("Loss/val", v, e, new_style=True)
    log = open_log(tmp_path)
    assert log.history.of("val_loss").values == pytest.approx([v for *_, v in curves("healthy")], rel=1e-6)


def test_a_torn_tail_of_events_is_normal_and_a_wrong_byte_is_damage(tmp_path):
    path = log_files.tensorboard(tmp_path, curves("healthy"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    log = open_log(path)
    assert [n.code for n in log.notes] == ["log.cut"]
    assert len(log.history.of("train_loss").values) == 40
    assert len(log.history.of("val_loss").values) == 39
    path.write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])
    log = open_log(path)
    assert [n.code for n in log.notes] == ["log.damaged"]
    assert len(log.history.of("val_loss").values) == 39
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    with pytest.raises(ArtifactRefused, match="checksum"):
        open_log(path)


def test_a_record_that_is_no_event_ends_the_reading(tmp_path):
    path = log_files.tensorboard(tmp_path, curves("healthy"))
    path.write_bytes(path.read_bytes() + log_files.record(b"\x2a\xff"))
    assert [n.code for n in open_log(path).notes] == ["log.damaged"]


def test_large_records_are_passed_over(tmp_path):
    path = log_files.tensorboard(tmp_path, curves("healthy"))
    length = struct.pack("<Q", (1 << 20) + 1)
    picture = length + struct.pack("<I", tfrecord.masked_crc(length)) + bytes((1 << 20) + 5)
    path.write_bytes(picture + path.read_bytes())
    assert len(open_log(path).history.of("val_loss").values) == 40


def test_several_trainings_in_a_folder_must_be_named(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        log_files.tensorboard(tmp_path / name, curves("healthy"))
    with pytest.raises(SpecError, match="2 trainings") as error:
        open_log(tmp_path)
    assert str(tmp_path / "a") in error.value.message


# others


@pytest.mark.slow  # its import takes seconds
def test_transformers_own_state_is_read(tmp_path):
    trainer = pytest.importorskip("transformers.trainer_callback", exc_type=ImportError)
    state = trainer.TrainerState(max_steps=400, global_step=400)
    for e, t, v in curves("broken"):
        state.log_history += [{"loss": t, "step": e * 10, "epoch": e / 10}, {"eval_loss": v, "step": e * 10}]
    (tmp_path / "checkpoint-90").mkdir()
    (tmp_path / "checkpoint-400").mkdir()
    state.save_to_json(str(tmp_path / "checkpoint-400" / "trainer_state.json"))
    (tmp_path / "checkpoint-90" / "trainer_state.json").write_text("{}")
    log = open_log(tmp_path)
    assert log.path.parent.name == "checkpoint-400"
    assert "doctor.non_finite" in {f.code for f in examine(log.history)}
    assert log.history.facts["reason"] == "rounds"


def test_a_run_of_a_store_is_chosen_by_id_or_name(tmp_path):
    path = log_files.mlflow_store(tmp_path, curves("healthy"))
    database = sqlite3.connect(path)
    log_files.add_run(database, "def", curves("broken"))
    database.close()
    with pytest.raises(SpecError, match=r"2 runs are meant.*--run"):
        open_log(path)
    with pytest.raises(SpecError, match="no run 'nobody'"):
        open_log(path, run="nobody")
    assert not examine(open_log(f"sqlite:///{path}", run="abc").history)
    assert examine(open_log(path, run="name-def").history)
    with pytest.raises(SpecError, match="Leave it out"):
        open_log(log_files.keras_csv(tmp_path, curves("healthy")), run="abc")


def test_a_database_of_something_else_is_refused(tmp_path):
    path = tmp_path / "other.db"
    database = sqlite3.connect(path)
    database.execute("CREATE VIEW metrics AS SELECT 1 AS key")
    database.commit()
    database.close()
    with pytest.raises(ArtifactRefused, match="no tables of a run"):
        open_log(path)
    path.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    with pytest.raises(ArtifactRefused, match="cannot be read"):
        open_log(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (bytes(range(256)) * 20, "none of the known kinds"),
        (b"a,b\n1,2\n", "none of the known kinds"),
        (b"loss,val_loss\n", "none that is known"),
        (b'{"loss": [1, 2', "damaged"),
        (b'{"log_history": 3}', "a list `log_history` is required"),
        (b'{"loss": ' + b"[" * 100_000, "damaged"),
        (b"Our loss: 3 last year.\n", "at least 2 times"),
        ("Das Modell lernt, wie es soll.\n".encode("utf-16"), "none of the known kinds"),
    ],
)
def test_what_is_no_log_is_refused(content, words, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ArtifactRefused, match=words):
        open_log(path)


@pytest.mark.parametrize("name", ["", "absent.csv", "x" * 300, "a\0b"])
def test_what_is_not_there_is_said(name, tmp_path):
    with pytest.raises(SpecError, match="a training log is required"):
        open_log(f"{tmp_path}/{name}" if name else "")


def test_a_folder_without_a_log_and_a_device(tmp_path):
    with pytest.raises(SpecError, match="holds none that is known"):
        open_log(tmp_path)
    with pytest.raises(ArtifactRefused, match="plain file"):
        open_log("/dev/zero")


def test_huge_lines_and_too_much_are_refused_or_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(contract, "MAX_LINE", 100)
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss\n1,0.5\n2," + "9" * 5000 + "\n3,0.4\n")
    log = open_log(path)
    assert log.history.of("train_loss").steps == (1, 3)
    assert [n.code for n in log.notes] == ["log.damaged"]
    monkeypatch.setattr(contract, "MAX_POINTS", 1)
    with pytest.raises(ArtifactRefused, match="at most 1 numbers"):
        open_log(path)
    monkeypatch.setattr(contract, "MAX_NAMES", 1)
    monkeypatch.setattr(contract, "MAX_POINTS", 100)
    path.write_text("epoch,loss,val_loss\n1,0.5,1\n2,0.4,1\n")
    assert "log.names_left_out" in {n.code for n in open_log(path).notes}
    monkeypatch.setattr(contract, "MAX_DOCUMENT", 10)
    with pytest.raises(ArtifactRefused, match="at most 10 bytes"):
        open_log(log_files.keras_history(tmp_path, curves("healthy")))


_LETTERS = "0123456789.,:=;|{}[]\"'\n\t -loseavtpch"
_FUZZ = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_FUZZ
@given(data=st.data())
def test_damaged_logs_are_read_or_refused(data, tmp_path):
    """Cut anywhere, with bytes changed: a history or a refusal, and nothing else."""
    write = data.draw(st.sampled_from(FORMATS[:17]))
    path = write(tmp_path, curves("healthy", 5))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    _read_or_refused(path)


@_FUZZ
@given(
    content=st.binary(max_size=200) | st.text(_LETTERS, max_size=200).map(str.encode),
    which=st.integers(0, len(READERS) - 1),
)
def test_any_bytes_are_read_or_refused(content, which, tmp_path):
    path = tmp_path / "anything"
    path.write_bytes(content)
    _read_or_refused(path)
    with contextlib.suppress(TrainwrightError):
        READERS[which].read(path)


def _read_or_refused(path):
    with contextlib.suppress(ArtifactRefused, SpecError):
        examine(open_log(path).history)
