"""`trainwright serve`, started for real: what it answers, what it refuses, and how it ends."""

import http.client
import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import trainwright
from tests.pipeline.builders import Project, command, finish, spec, start, table
from trainwright.apps import scoring_app
from trainwright.apps.serving_metrics import Counters
from trainwright.core.errors import DataRefused

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

JSON = {"content-type": "application/json"}
ROW = {"x0": 0.5, "x1": -1, "x2": None, "colour": "red"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("served"))
    made.write(spec(training={"rounds": 12}), table())
    made.train()
    return made


@pytest.fixture(scope="module")
def server(project: Project) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """The command with a hand-off alone, on a free port."""
    process = start("serve", project.only_run() / "handoff", "--port", "0", "--max-body-mb", "1", cwd=project.folder)
    yield process, _port(process)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        finish(process)


def _port(process: "subprocess.Popen[str]", stream: str = "stdout") -> int:
    line = getattr(process, stream).readline()
    found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
    assert found, line + (process.stderr.read() if process.stderr else "")
    return int(found[1])


def ask(
    port: int, path: str, body: object = None, *, method: str = "", headers: Mapping[str, str] = JSON
) -> tuple[int, Any, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    content = body if isinstance(body, bytes | type(None)) else json.dumps(body).encode()
    connection.request(method or ("GET" if body is None else "POST"), path, content, dict(headers))
    answer = connection.getresponse()
    text, kind = answer.read().decode(), str(answer.getheader("content-type"))
    connection.close()
    return answer.status, json.loads(text) if kind == "application/json" else text, kind


def test_it_says_what_it_is(server: tuple[Any, int]) -> None:
    _, port = server
    assert ask(port, "/health") == (200, {"status": "ok", "model": "tiny", "version": "0.1.0"}, "application/json")
    status, told, _ = ask(port, "/schema")
    assert status == 200
    assert (told["task"], told["target"], told["classes"]) == ("binary", "y", ["no", "yes"])
    assert [f["name"] for f in told["features"]] == ["x0", "x1", "x2", "colour"]
    assert sorted(told["features"][3]["categories"]) == ["blue", "green", "red"]


def test_predictions_are_those_of_predict(server: tuple[Any, int], project: Project) -> None:
    _, port = server
    rows = table(seed=5).head(50).drop(columns="y")
    given = [
        {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()}
        for row in rows.to_dict("records")
    ]
    status, told, _ = ask(port, "/predict", {"rows": given})
    assert status == 200, told
    expected = trainwright.predict(project.only_run(), rows).frame
    pd.testing.assert_frame_equal(pd.DataFrame(told["predictions"]), expected, check_exact=True, check_dtype=False)
    assert told["findings"] == []


def test_what_is_odd_is_told(server: tuple[Any, int]) -> None:
    _, port = server
    status, told, _ = ask(port, "/predict", {"rows": [{**ROW, "colour": "pink", "extra": 1}]})
    assert status == 200
    assert {f["code"] for f in told["findings"]} == {"data.unseen_categories", "data.extra_columns"}


DEEP = b'{"rows": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
REFUSED: dict[str, tuple[object, int, str]] = {
    "no JSON": (b"{", 400, "no JSON"),
    "nan": (b'{"rows": [{"x0": NaN}]}', 400, "NaN is not a JSON number"),
    "too deep": (DEEP, 400, "no JSON"),
    "a key twice": (b'{"rows": [{"x0": 1, "x0": 2}]}', 400, "'x0' is there twice"),
    "bytes": (b"\xff\xfe", 400, "no JSON"),
    "empty": (b"", 400, "no JSON"),
    "a list": ([ROW], 422, "the body must be"),
    "another key": ({"rows": [ROW], "path": "/etc/passwd"}, 422, "the body must be"),
    "no rows": ({"rows": []}, 422, "at least one row"),
    "a row that is a list": ({"rows": [ROW, [1]]}, 422, "row 1 must be an object"),
    "a nested value": ({"rows": [{**ROW, "x0": {"a": 1}}]}, 422, "row 0, 'x0'"),
    "a huge number": ({"rows": [{**ROW, "x0": 10**30}]}, 422, "63 bits"),
    "a missing column": ({"rows": [{"x0": 1, "colour": "red"}]}, 422, "missing: x1, x2"),
    "another kind": ({"rows": [{**ROW, "x0": "abc"}]}, 422, "x0 (must be numeric"),
    "too many rows": ({"rows": [{}] * 10_001}, 413, "at most 10,000 rows"),
    "too large": (b"x" * 1_500_000, 413, "1,000,000 bytes"),
}


@pytest.mark.parametrize(("body", "status", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_scored_is_refused(server: tuple[Any, int], body: object, status: int, words: str) -> None:
    _, port = server
    found, told, _ = ask(port, "/predict", body)
    assert (found, told["status"], told["code"]) == (status, "error", status)
    assert words in told["error"]


def test_other_requests_are_refused_in_json(server: tuple[Any, int]) -> None:
    _, port = server
    assert ask(port, "/predict", {"rows": [ROW]}, headers={"content-type": "text/plain"})[0] == 415
    assert ask(port, "/predict", {"rows": [ROW]}, headers={})[0] == 415
    assert ask(port, "/predict", method="GET")[:1] == (405,)
    assert ask(port, "/nothing")[:1] == (404,)
    status, told, _ = ask(port, "/health", headers={"host": "evil.example"})
    assert (status, told["error"]) == (400, "this server has no name 'evil.example'")
    assert ask(port, "/health", headers={"host": f"localhost:{port}"})[0] == 200


def test_a_body_without_a_length_is_cut_off(server: tuple[Any, int]) -> None:
    _, port = server
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/predict", iter([b"x" * 100_000] * 20), JSON, encode_chunked=True)
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # it hung up while we were still sending: cut off as well
    finally:
        connection.close()
    assert ask(port, "/health")[0] == 200


def test_metrics_are_those_of_prometheus(server: tuple[Any, int]) -> None:
    _, port = server
    before = ask(port, "/metrics")[1]
    ask(port, "/predict", {"rows": [ROW] * 3})
    ask(port, "/../../etc/passwd")
    status, after, kind = ask(port, "/metrics")
    assert status == 200
    assert kind.startswith("text/plain; version=0.0.4")

    def value(text: str, name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    for name, grown in {
        "trainwright_rows_total": 3,
        "trainwright_predict_seconds_count": 1,
        'trainwright_predict_seconds_bucket{le="+Inf"}': 1,
        'trainwright_requests_total{path="/predict",status="200"}': 1,
        'trainwright_requests_total{path="other",status="404"}': 1,
    }.items():
        assert value(after, name) - value(before, name) == grown, name
    assert "etc" not in after


def test_histogram_counts_are_cumulative() -> None:
    counters = Counters()
    for seconds in (0.001, 0.3, 99.0):
        counters.request("/predict", 200, seconds)
    counters.request("/health", 200, 5.0)
    text = counters.text()
    counts = [int(n) for n in re.findall(r"bucket\{le=\"[^\"]+\"\} (\d+)", text)]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (1, 3)
    assert "trainwright_predict_seconds_sum 99.301000" in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_it_ends_cleanly(project: Project, number: signal.Signals) -> None:
    process = start("serve", project.only_run(), "--port", "0", "--json", cwd=project.folder)
    port = _port(process, "stderr")
    assert ask(port, "/predict", {"rows": [ROW, ROW]})[0] == 200
    process.send_signal(number)
    done = finish(process)
    assert done.returncode == 0, done.stderr
    assert done.json == {"status": "ok", "url": f"http://127.0.0.1:{port}", "requests": 1, "rows": 2}
    with pytest.raises(ConnectionRefusedError):
        ask(port, "/health")


def test_a_taken_port_is_exit_8(project: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = command("serve", project.only_run(), "--port", str(port), cwd=project.folder)
    assert done.returncode == 8
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr


def test_no_run_is_exit_7(tmp_path: Path) -> None:
    assert command("serve", tmp_path, cwd=tmp_path).returncode == 7


def test_an_opened_model_scores_frames(project: Project) -> None:
    model = trainwright.open_model(project.only_run())
    rows = table(seed=1).drop(columns="y")
    predicted, findings = model.predict(rows)
    pd.testing.assert_frame_equal(predicted, trainwright.predict(project.only_run(), rows).frame)
    assert [f for f in findings if f.severity == "error"] == []
    with pytest.raises(DataRefused, match="x0"):
        model.predict(rows.drop(columns="x0"))
    assert scoring_app.describe(model)["task"] == "binary"
