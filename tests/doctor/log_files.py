"""Logs of every format from the same curves, written as the libraries write them."""

import json
import math
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path

from trainwright.doctor.logs.tfrecord import masked_crc

Curves = list[tuple[int, float, float]]
"""Epoch (from 1), training loss, validation loss."""


def curves(kind: str, epochs: int = 40) -> Curves:
    """``healthy``, ``broken`` (NaN from epoch 20 on), ``diverged`` (grows from epoch 15 on) or ``overfit``."""
    found: Curves = []
    for i in range(epochs):
        train, val = 1.8 * math.exp(-i / 12) + 0.4, 1.9 * math.exp(-i / 10) + 0.5
        if kind == "overfit":
            train, val = 1.8 * math.exp(-i / 10) + 0.1, 1.9 * math.exp(-i / 6) + 0.5 + 0.03 * max(0, i - 10)
        if kind == "broken" and i >= 19:
            train = val = math.nan
        if kind == "diverged" and i >= 14:
            train, val = train * 1.5 ** (i - 13), val * 1.5 ** (i - 13)
        found.append((i + 1, train, val))
    return found


def keras_csv(folder: Path, points: Curves) -> Path:
    """`keras.callbacks.CSVLogger`: epochs from 0, metrics in the order of the alphabet."""
    lines = [f"{e - 1},0.5,{t},0.001,0.5,{v}" for e, t, v in points]
    return _write(folder / "training.csv", ["epoch,accuracy,loss,learning_rate,val_accuracy,val_loss", *lines])


def lightning_csv(folder: Path, points: Curves) -> Path:
    """Lightning's CSVLogger: training, validation and rate on rows of their own."""
    lines = ["epoch,lr-Adam,step,train_loss_epoch,train_loss_step,val_loss"]
    for e, t, v in points:
        lines += [f"{e - 1},,{e * 50 - 25},,{t},", f"{e - 1},,{e * 50 - 1},,,{v}", f"{e - 1},,{e * 50 - 1},{t},,"]
        lines.append(f",0.001,{e * 50 - 1},,,")
    return _write(folder / "metrics.csv", lines)


def semicolons(folder: Path, points: Curves) -> Path:
    """A table of a European spreadsheet: decimal commas, names with capitals."""
    lines = [f"{e};{t};{v}".replace(".", ",") for e, t, v in points]
    return _write(folder / "export.csv", ["Epoch;Train Loss;Val Loss", *lines])


def long_csv(folder: Path, points: Curves) -> Path:
    """One number a row, as in our own ``handoff/learning_curves.csv``."""
    lines = [f"train,loss,{e},{t}\nval,loss,{e},{v}" for e, t, v in points]
    return _write(folder / "learning_curves.csv", ["part,metric,step,value", *lines])


def keras_history(folder: Path, points: Curves) -> Path:
    """``json.dump(history.history, file)``."""
    value = {"loss": [t for _, t, _ in points], "val_loss": [v for *_, v in points]}
    return _write(folder / "history.json", [json.dumps(value)])


def evals_result(folder: Path, points: Curves) -> Path:
    """``evals_result`` of XGBoost and LightGBM."""
    value = {"train": {"logloss": [t for _, t, _ in points]}, "valid": {"logloss": [v for *_, v in points]}}
    return _write(folder / "evals.json", [json.dumps(value)])


def json_lines(folder: Path, points: Curves) -> Path:
    """An own loop that prints objects."""
    rows = [json.dumps({"step": e * 10, "train": {"loss": t}, "val": {"loss": v}}) for e, t, v in points]
    return _write(folder / "log.jsonl", rows)


def trainer_state(folder: Path, points: Curves) -> Path:
    """``trainer_state.json`` of Hugging Face, with the sum at the end."""
    logged: list[dict[str, float]] = []
    for e, t, v in points:
        logged += [{"loss": t, "grad_norm": 1.2, "learning_rate": 5e-5, "epoch": e / 10, "step": e * 10}]
        logged += [{"eval_loss": v, "eval_runtime": 1.0, "epoch": e / 10, "step": e * 10}]
    logged.append(
        {"train_runtime": 9.0, "train_loss": 123.0, "total_flos": 1e9, "epoch": 4.0, "step": len(points) * 10}
    )
    value = {"log_history": logged, "global_step": len(points) * 10, "max_steps": len(points) * 10}
    return _write(folder / "trainer_state.json", [json.dumps(value, indent=2, sort_keys=True)])


def plain_lines(folder: Path, points: Curves) -> Path:
    """``Epoch 3/10 ... loss=0.5 val_loss=0.6``, after lines that are none."""
    lines = [f"Epoch {e}/{len(points)}: lr=1e-4 loss={t:.5f} val_loss={v:.5f} time=1.2s" for e, t, v in points]
    return _write(folder / "train.log", ["device: cpu, 3 workers", "found 1,000 files", *lines, "done in 12 s"])


def keras_bar(folder: Path, points: Curves) -> Path:
    """Keras' bar, drawn again and again on one line."""
    lines = []
    for e, t, v in points:
        lines.append(f"Epoch {e}/{len(points)}")
        first = " 1/10 [>....] - ETA: 0s - loss: 99.0"
        last = f"10/10 [=====] - 1s 3ms/step - loss: {t:.5f} - accuracy: 0.5000 - val_loss: {v:.5f}"
        lines.append(f"\r{first}\b\b\b\r\x1b[1m{last}\x1b[0m")
    return _write(folder / "out.txt", lines)


def nano(folder: Path, points: Curves) -> Path:
    """nanoGPT: batches and evaluations take turns."""
    lines = []
    for e, t, v in points:
        lines.append(f"iter {e * 10 - 5}: loss {t:.5f}, time 12.30ms, mfu 1.25%")
        lines.append(f"step {e * 10}: train loss {t:.5f}, val loss {v:.5f}")
    return _write(folder / "nano.log", lines)


def bars(folder: Path, points: Curves) -> Path:
    """``step 100 | loss 3.2 | lr 1e-4`` with what a logger writes before it."""
    lines = [
        f"2026-11-25 22:01:02,123 INFO train: step {e * 100} | loss {t:.5f} | val_loss {v:.5f} | lr 1e-4"
        for e, t, v in points
    ]
    return _write(folder / "bars.log", lines)


def xgboost_lines(folder: Path, points: Curves) -> Path:
    """What `xgboost.train` prints."""
    return _write(folder / "xgb.log", [f"[{e - 1}]\ttrain-logloss:{t:.5f}\teval-logloss:{v:.5f}" for e, t, v in points])


def lightgbm_lines(folder: Path, points: Curves) -> Path:
    """What `lightgbm.log_evaluation` prints."""
    lines = [f"[{e}]\ttraining's binary_logloss: {t:.5f}\tvalid_1's binary_logloss: {v:.5f}" for e, t, v in points]
    return _write(folder / "lgb.log", lines)


def catboost_lines(folder: Path, points: Curves) -> Path:
    """What CatBoost prints."""
    end = "best: 0.5 (3)\ttotal: 56ms\tremaining: 1.2s"
    return _write(folder / "cat.log", [f"{e - 1}:\tlearn: {t:.5f}\ttest: {v:.5f}\t{end}" for e, t, v in points])


def printed_dicts(folder: Path, points: Curves) -> Path:
    """What Hugging Face's Trainer prints."""
    lines = []
    for e, t, v in points:
        lines.append(str({"loss": round(t, 5), "grad_norm": 1.5, "learning_rate": 5e-5, "epoch": e / 10}))
        lines.append(str({"eval_loss": round(v, 5), "eval_runtime": 1.0, "epoch": e / 10}))
    return _write(folder / "hf.log", lines)


def tensorboard(folder: Path, points: Curves) -> Path:
    """An event file of `torch.utils.tensorboard`."""
    events = [event(0, b"\x1a\x0dbrain.Event:2")]
    for e, t, v in points:
        events += [scalar_event("Loss/train", e * 10, t), scalar_event("Loss/val", e * 10, v)]
    path = folder / "events.out.tfevents.1795647453.host.1.0"
    path.write_bytes(b"".join(record(e) for e in events))
    return path


def keras_tensorboard(folder: Path, points: Curves) -> Path:
    """Keras' callback: tensors of TensorFlow 2 in the folders ``train`` and ``validation``."""
    for part, at in (("train", 1), ("validation", 2)):
        (folder / "logs" / part).mkdir(parents=True)
        events = [scalar_event("epoch_loss", point[0] - 1, point[at], tensor=True) for point in points]
        (folder / "logs" / part / "events.out.tfevents.1795647453.host.1.0.v2").write_bytes(
            b"".join(map(record, events))
        )
    return folder / "logs"


def torch_scalars(folder: Path, points: Curves) -> Path:
    """``add_scalars("Loss", {"train": ..., "val": ...})`` of torch, beside ``add_scalar("lr", ...)``."""
    return _curves(folder / "run", {"Loss_train": 1, "Loss_val": 2}, "Loss", points)


def tensorboard_x(folder: Path, points: Curves) -> Path:
    """``add_scalars("metrics/loss", {"train": ..., "val": ...})`` of tensorboardX: folders inside folders."""
    return _curves(folder / "run", {"metrics/loss/train": 1, "metrics/loss/val": 2}, "metrics/loss", points)


def named_curves(folder: Path, points: Curves) -> Path:
    """The same where each curve has its whole name; the folder of the run lies in the one that is named."""
    _curves(folder / "all" / "run", {"curves/train_loss": 1, "curves/val_loss": 2}, "curves", points)
    return folder / "all"


def _curves(run: Path, folders: dict[str, int], tag: str, points: Curves) -> Path:
    run.mkdir(parents=True)
    name = "events.out.tfevents.1795647453.host"
    (run / name).write_bytes(b"".join(record(scalar_event("lr", e * 10, 1e-3)) for e, *_ in points))
    for below, at in folders.items():
        (run / below).mkdir(parents=True)
        events = [scalar_event(tag, point[0] * 10, point[at]) for point in points]
        (run / below / name).write_bytes(b"".join(map(record, events)))
    return run


def mlflow_folder(folder: Path, points: Curves) -> Path:
    """A run in a file store of MLflow."""
    (folder / "run" / "metrics" / "val").mkdir(parents=True)
    _write(folder / "run" / "meta.yaml", ["run_id: abc"])
    _write(folder / "run" / "metrics" / "train_loss", [f"1795647453000 {t} {e}" for e, t, _ in points])
    _write(folder / "run" / "metrics" / "val" / "loss", [f"1795647453000 {v} {e}" for e, _, v in points])
    return folder / "run"


def mlflow_store(folder: Path, points: Curves) -> Path:
    """A SQLite store of MLflow with one run."""
    path = folder / "mlflow.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE runs (run_uuid TEXT, name TEXT, start_time BIGINT)")
    database.execute(
        "CREATE TABLE metrics (key TEXT, value DOUBLE, timestamp BIGINT, run_uuid TEXT, step BIGINT, is_nan BOOLEAN)"
    )
    add_run(database, "abc", points)
    database.close()
    return path


def add_run(database: sqlite3.Connection, name: str, points: Curves) -> None:
    """Put a run into a store."""
    database.execute("INSERT INTO runs VALUES (?, ?, 1)", (name, f"name-{name}"))
    rows = [(k, x, e) for e, t, v in points for k, x in (("train/loss", t), ("val/loss", v))]
    database.executemany(
        "INSERT INTO metrics VALUES (?, ?, 1, ?, ?, ?)",
        [(k, 0.0 if math.isnan(x) else x, name, e, math.isnan(x)) for k, x, e in rows],
    )
    database.commit()


FORMATS: tuple[Callable[[Path, Curves], Path], ...] = (
    keras_csv, lightning_csv, semicolons, long_csv, keras_history, evals_result, json_lines, trainer_state, plain_lines,
    keras_bar, nano, bars, xgboost_lines, lightgbm_lines, catboost_lines, printed_dicts, tensorboard, keras_tensorboard,
    torch_scalars, tensorboard_x, named_curves, mlflow_folder, mlflow_store,
)  # fmt: skip


def record(data: bytes) -> bytes:
    """A TFRecord."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc(length)) + data + struct.pack("<I", masked_crc(data))


def event(step: int, rest: bytes) -> bytes:
    """An ``Event`` with its time and step."""
    return b"\x09" + struct.pack("<d", 1.0) + b"\x10" + _varint(step) + rest


def scalar_event(tag: str, step: int, value: float, *, tensor: bool = False) -> bytes:
    """An ``Event`` with one scalar."""
    number = b"\x15" + struct.pack("<f", value)
    if tensor:  # dtype DT_FLOAT, no shape, float_val packed
        number = _message(8, b"\x08\x01" + _message(5, struct.pack("<f", value)))
    return event(step, _message(5, _message(1, _message(1, tag.encode()) + number)))


def _message(field: int, data: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    return path
