"""report.html: self-contained, safe whatever the data holds, and true to the folder."""

import base64
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from tests.report.folder import edit, write_run
from trainwright.report.compare import compare
from trainwright.report.facts import Facts, gather
from trainwright.report.page import comparison, document
from trainwright.report.page.charts import learning as learning_charts
from trainwright.report.page.files import listed_files
from trainwright.report.page.inline import inline
from trainwright.report.page.svg import tick_labels, ticks
from trainwright.report.words import amount, metric_label

TASKS = ("binary", "multiclass", "regression")
NASTY = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "</svg></style><b>",
    "{{ 7*7 }} {% x %} **y** `z`",
)
VOID = {"meta", "input", "img"}
"""Elements without an end, as far as the page uses them."""


class Reader(HTMLParser):
    """Checks that every element is closed in order, and keeps elements, attributes and text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len({name for name, _ in attrs}), (tag, attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> is out of order"

    def handle_data(self, data: str) -> None:
        if "script" not in self.open and "style" not in self.open:
            self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def words(html: str) -> str:
    return " ".join(" ".join(read(html).text).split())


def page(facts: Facts) -> str:
    built = document.build(facts)
    assert built.findings == ()
    return built.html


def assert_self_contained(html: str) -> None:
    """Nothing is loaded, linked outside, or run but the page's own script."""
    reader = read(html)
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", html)
    names = [name for name, _ in reader.elements]
    assert names.count("script") == names.count("style") == 1
    assert not {"link", "iframe", "object", "embed", "base", "form", "use", "image"} & set(names)
    for name, attributes in reader.elements:
        assert not [a for a in attributes if a.startswith("on") or a in ("style", "srcset", "xlink:href", "action")], (
            name
        )
        assert not (attributes.get("src") or "data:").removeprefix("data:") or name == "img"
        assert (attributes.get("href") or "#").startswith("#")
    policy = next(a["content"] for n, a in reader.elements if n == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    for element in ("script", "style"):
        content = html.split(f"<{element}>", 1)[1].split(f"</{element}>", 1)[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy


@pytest.mark.parametrize("task", TASKS)
def test_the_page_is_well_formed_and_loads_nothing(originals: dict[str, Path], task: str) -> None:
    html = (originals[task] / "report.html").read_text()
    assert_self_contained(html)
    assert len(html.encode()) < 400_000
    anchors = {a["id"] for _, a in read(html).elements if "id" in a}
    links = {str(a["href"])[1:] for n, a in read(html).elements if n == "a"}
    assert links
    assert links <= anchors


@pytest.mark.parametrize("task", TASKS)
def test_the_story_comes_first_and_every_section_names_its_source(originals: dict[str, Path], task: str) -> None:
    html = (originals[task] / "report.html").read_text()
    order = [
        "Is the model good?", "Can I trust it?", "What was wrong", "What was repaired", "What next", "Training",
        "Data and features", "Configuration and environment", "Files and digests",
    ]  # fmt: skip
    at = [html.index(f"<h2>{name}</h2>") for name in order]
    assert at == sorted(at)
    for section in re.findall(r'<section id="(\w+)">(.*?)</section>', html, re.DOTALL):
        assert 'class="source"' in section[1], section[0]


@pytest.mark.parametrize("task", TASKS)
def test_scores_intervals_baselines_and_digests_are_the_folders(originals: dict[str, Path], task: str) -> None:
    run = originals[task]
    record = json.loads((run / "run.json").read_text())
    text = words((run / "report.html").read_text())
    name = record["primary"]["name"]
    for part in ("val", "test"):
        interval = record["intervals"][part]
        told = f"{amount(record['metrics'][part][name])} {amount(interval['low'])} to {amount(interval['high'])}"
        assert f"{'Validation' if part == 'val' else 'Test'} {metric_label(name)} {told}" in text
    for baseline in record["baselines"]:
        assert amount(baseline["val"]) in text
    for digest in record["digests"].values():
        assert digest in text
    split = hashlib.sha256((run / "predictions" / "val.parquet").read_bytes()).hexdigest()
    assert split in text


@pytest.mark.parametrize("task", TASKS)
def test_a_changed_number_in_the_folder_changes_the_page(copied: Callable[[str], Path], task: str) -> None:
    run = copied(task)
    edit(run / "run.json", lambda r: r["metrics"]["val"].update({r["primary"]["name"]: 0.1234567}))
    assert "0.1235" in words(page(gather(run)))


def test_names_from_the_data_never_become_markup(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", "binary", classes=NASTY[:2], columns=list(NASTY))
    finding = {
        "code": "x",
        "severity": "warning",
        "where": NASTY[0],
        "what": NASTY[1],
        "why": NASTY[2],
        "fix": NASTY[3],
    }
    edit(
        run / "run.json",
        lambda r: r.update(name=NASTY[0], findings=[finding]) or r["target"].update(expression=NASTY[1]),
    )
    (run / "resolved.yaml").write_text(f"name: {NASTY[0]}  # given\n")
    html = page(gather(run))
    assert_self_contained(html)
    assert "img" not in {name for name, _ in read(html).elements}
    text = words(html)
    for name in NASTY:
        assert name in text


def test_sentences_of_the_report_keep_their_emphasis_and_nothing_else() -> None:
    assert inline("**a** b") == "<strong>a</strong> b"
    assert inline("a&lt;b \\*c\\* &#96;") == "a&lt;b *c* `"
    assert inline("<b>&amp;") == "&lt;b&gt;&amp;"
    assert inline("**open `and") == "<strong>open <code>and</code></strong>"
    assert inline("**a `b** c`") == "<strong>a <code>b</code></strong> c<code></code>"


def test_a_lost_baseline_is_the_first_answer(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    assert "Yes: better than every baseline" in words(page(gather(run)))
    edit(run / "run.json", lambda r: r["baselines"][1].update(val=0.99, beaten=False))
    lost = page(gather(run))
    assert "No: linear is at least as good" in words(lost)
    assert 'class="answer bad"' in lost
    edit(run / "run.json", lambda r: r.update(baselines=[]))
    (run / "baselines.json").unlink()
    assert "Unknown: no baseline was trained" in words(page(gather(run)))


def test_a_lead_inside_the_interval_is_no_yes(copied: Callable[[str], Path]) -> None:
    run = copied("binary")

    def close(record: dict[str, object]) -> None:
        value = record["metrics"]["val"]["roc_auc"]  # type: ignore[index]  # JSON
        record["baselines"][1].update(val=value - 0.001, beaten=True)  # type: ignore[index]  # JSON

    edit(run / "run.json", close)
    assert "Perhaps: the lead over the best baseline may be chance" in words(page(gather(run)))


def test_leaks_lifted_checks_and_reopened_test_rows_cost_trust(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    edit(run / "checks.json", lambda c: c["checks"][0].update(verdict="leak", group="data", name="target_leakage"))
    told = words(page(gather(run)))
    assert "No: leak: target leakage" in told
    assert "lifted by the spec: group leak" in told
    assert "Test rows were read 3 times" in told
    assert re.search(r"; and \d more", told)


def test_a_run_that_was_refused_says_so_on_top(tmp_path: Path) -> None:
    error = {"message": "the data was refused:\n- outcome tells the target"}
    (tmp_path / "run.json").write_text(json.dumps({"format": 1, "status": "failed", "name": "x", "error": error}))
    html = page(gather(tmp_path))
    assert_self_contained(html)
    text = words(html)
    assert "outcome tells the target" in text
    assert "No score: the run did not come that far" in text
    assert "There is no validation score" in text
    assert "no test rows" not in text


def test_repairs_of_the_log_are_told(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    log = run / "training_log.jsonl"
    repair = {
        "event": "repaired", "step": 7, "time_s": 1, "symptom": "non-finite loss", "action": "halved the learning rate",
        "before": {"learning_rate": 0.1}, "after": {"learning_rate": 0.05},
    }  # fmt: skip
    lines = [json.dumps({"event": "started", "stage": "fit", "step": 0, "time_s": 0}), json.dumps(repair)]
    log.write_text(log.read_text() + "\n".join(lines) + "\n")
    text = words(page(gather(run)))
    assert "1 repair" in text
    assert "Non-finite loss non-finite loss the learning rate went from 0.1 to 0.05" in text
    made = [{**repair, "symptom": "doctor.loss_exploding", "what": "the loss is 70", "rounds": 7, "helped": True}]
    made[0]["action"] = "learning_rate"
    edit(run / "run.json", lambda record: record.update(repairs=made))
    text = words(page(gather(run)))
    assert "1 repair, which helped" in text
    assert "The loss is 70 doctor.loss_exploding the learning rate went from 0.1 to 0.05: it helped" in text


def test_a_chart_that_fails_costs_a_finding_and_nothing_else(
    originals: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(facts: Facts) -> None:
        raise ValueError("odd data")

    monkeypatch.setitem(document._CHARTS, "training", (broken,))
    built = document.build(gather(originals["binary"]))
    assert [f.code for f in built.findings] == ["report.chart_failed"]
    assert "odd data" in built.findings[0].what
    assert "<h2>Training</h2>" in built.html


@pytest.mark.parametrize(
    "missing", ["checks.json", "environment.json", "training_log.jsonl", "predictions/test.parquet"]
)
def test_a_missing_file_costs_its_part_only(copied: Callable[[str], Path], missing: str) -> None:
    run = copied("multiclass")
    (run / missing).unlink()
    assert_self_contained(page(gather(run)))


def test_every_round_can_be_read_off_the_curve_and_the_kept_one_is_named(originals: dict[str, Path]) -> None:
    facts = gather(originals["binary"])
    best = json.loads((originals["binary"] / "run.json").read_text())["model"]["rounds_best"]
    loss = facts.log.curves["val", "log_loss"]
    chart = learning_charts.learning_curves(facts)[0]
    notes = [a["data-tip"] for _, a in read(f"<p>{chart.drawing}</p>").elements if "data-tip" in a]
    assert len(notes) == len(loss.steps)
    kept = next(str(n) for n in notes if str(n).startswith(f"round {best} (kept)"))
    assert f"validation {amount(loss.at(best))}" in kept


def test_where_each_value_of_the_configuration_came_from(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    (run / "resolved.yaml").write_text("# comment\nname: churn  # given\ntraining:\n  rounds: 40  # family default\n")
    html = page(gather(run))
    assert '<tr class="chosen"><td><code>name: churn</code></td><td>given</td></tr>' in html
    assert "<tr><td><code>  rounds: 40</code></td><td>family default</td></tr>" in html
    assert "<tr><td><code>training:</code></td><td></td></tr>" in html


def test_ticks_are_round_and_cover_the_range() -> None:
    assert ticks(0.0, 1.0) == pytest.approx((0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    assert tick_labels(ticks(0.0, 1.0)) == ("0.0", "0.2", "0.4", "0.6", "0.8", "1.0")
    assert tick_labels(ticks(0, 2000)) == ("0", "500", "1,000", "1,500", "2,000")
    assert tick_labels(ticks(0, 1.2e10)) == ("0", "5e9", "1e10")
    assert ticks(3.0, 3.0) == (3.0,)
    assert tick_labels((3.0,)) == ("3",)


def test_runs_side_by_side_as_a_page(copied: Callable[[str], Path], originals: dict[str, Path]) -> None:
    other = copied("binary")
    edit(
        other / "run.json",
        lambda r: r["metrics"]["val"].update(roc_auc=0.95) or r.update(run=NASTY[0], best_params={"max_depth": 9}),
    )
    html = comparison.render(compare([gather(originals["binary"]), gather(other)]))
    assert_self_contained(html)
    text = words(html)
    assert f"Best validation ROC AUC: 0.9500 by {NASTY[0]}" in text
    assert "max_depth" in text
    assert html.count("<figure") == 3
    mixed = comparison.render(compare([gather(originals["binary"]), gather(originals["regression"])]))
    assert "No run can be called the best" in mixed
    assert "the primary metrics differ" in mixed
    assert "<figure" not in mixed


def test_hashes_of_sealed_folders_are_their_own_and_others_are_computed(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    folder = run / "checkpoints" / "best"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights").write_bytes(b"1")
    (folder / "hashes.json").write_text(json.dumps({"sha256": {"weights": "f" * 64}}))
    listed = {f.path: f.sha256 for f in listed_files(gather(run))}
    assert listed["checkpoints/best/weights"] == "f" * 64
    assert listed["checks.json"] == hashlib.sha256((run / "checks.json").read_bytes()).hexdigest()
    assert listed["run.json"] == listed["training_log.jsonl"] == "changes until the run ends"
    assert not [path for path in listed if path.startswith(("report.", "plots/", "handoff/"))]


def only_feature(run: Path, kind: str) -> None:
    """Make the run one of a single column of images or texts."""

    def change(schema: dict[str, object]) -> None:
        target = [c for c in schema["columns"] if c["role"] == "target"]  # type: ignore[attr-defined]  # JSON
        schema["columns"] = [{"name": kind, "kind": kind, "role": "feature"}, *target]

    edit(run / "data" / "schema.json", change)


def kept_rows(run: Path, column: str, values: list[str]) -> pd.DataFrame:
    """The first held-out rows as the run keeps them, with their stored predictions."""
    stored = pd.read_parquet(run / "predictions" / "test.parquet").head(len(values))
    pd.DataFrame({"row": stored["row"], column: values}).to_parquet(run / "data" / "sample.parquet")
    return stored


def test_texts_are_shown_with_what_the_model_said(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    only_feature(run, "text")
    stored = kept_rows(run, "text", ["<b>first</b> text", "x" * 500])
    html = page(gather(run))
    assert_self_contained(html)
    text = words(html)
    first = stored.iloc[0]
    assert f"<b>first</b> text {first['target']}" in text
    assert "x" * 239 + "…" in text
    assert "x" * 240 not in text


def test_images_are_inside_the_page(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    only_feature(run, "image")
    stored = kept_rows(run, "path", ["a/1.png", "a/2.png"])
    with zipfile.ZipFile(run / "data" / "sample.zip", "w") as archive:
        for name, colour in (("a/1.png", (250, 0, 0)), ("a/2.png", (0, 0, 250))):
            buffer = io.BytesIO()
            Image.new("RGB", (300, 200), colour).save(buffer, format="PNG")
            archive.writestr(name, buffer.getvalue())
    html = page(gather(run))
    assert_self_contained(html)
    images = [a for name, a in read(html).elements if name == "img"]
    assert [a["alt"] for a in images] == [f"row {row}" for row in stored["row"]]
    shown = Image.open(io.BytesIO(base64.b64decode(str(images[0]["src"]).split(",", 1)[1])))
    assert shown.size == (96, 64)
    red, green, blue = (int(v) for v in shown.getpixel((40, 30)))  # type: ignore[union-attr]  # an RGB image
    assert red > 240
    assert max(green, blue) < 15
    (run / "data" / "sample.zip").write_bytes(b"no archive")
    damaged = document.build(gather(run))
    assert [f.code for f in damaged.findings] == ["report.chart_failed"]
    assert "<img" not in damaged.html


def test_a_large_run_still_makes_a_page_of_a_size_to_mail(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    columns = [{"name": f"c{i}", "kind": "numeric", "role": "feature", "why": "numbers"} for i in range(2000)]
    edit(run / "data" / "schema.json", lambda s: s.update(columns=columns))
    finding = {"code": "x", "severity": "info", "where": "c", "what": "constant"}
    edit(run / "run.json", lambda r: r.update(findings=[finding] * 1000))
    (run / "search").mkdir()
    order = list(range(1500))
    summary = {"metric": "roc_auc", "direction": "maximize", "number": 3, "ranking": order, "reason": "trials"}
    (run / "search" / "summary.json").write_text(json.dumps(summary))
    params = {f"parameter_{i}": 0.123456789 for i in range(12)}
    trials = [
        {"number": n, "repeat": 0, "params": params, "state": "complete", "value": 0.8 + n / 1e5, "reason": "rounds"}
        for n in order
    ]
    (run / "search" / "trials.jsonl").write_text("\n".join(json.dumps(t) for t in trials))
    log = run / "training_log.jsonl"
    point = {"event": "evaluated", "time_s": 1, "best": False, "seconds": 0}
    rounds = [
        {**point, "step": n, "metrics": {"val": {"log_loss": 1 / n}, "train": {"log_loss": 0.9 / n}}}
        for n in range(1, 20_000, 4)
    ]
    start = {"event": "started", "stage": "fit", "step": 0, "time_s": 0}
    log.write_text(log.read_text() + "\n".join(json.dumps(e) for e in (start, *rounds)) + "\n")
    html = page(gather(run))
    assert_self_contained(html)
    assert len(html.encode()) < 1_000_000
    text = words(html)
    assert "The first 300 of 1500." in text
    assert "The first 300 of 2000." in text
    assert "And 700 more." in text
