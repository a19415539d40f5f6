"""The Input Specification with its brackets filled in, beside an architect's document: trained as it stands."""

from pathlib import Path

import pytest

from tests.pipeline.builders import Project, codes, record, table
from trainwright.stages import launch

INPUT_SPECIFICATION = """
architecture:
  artifact: "artifacts/model-architecture-v0.1.md"
  model_type: "LightGBM"
  architecture_spec: "num_leaves: 7"

data:
  train_path: "data.csv"
  val_path: "val.csv"
  feature_pipeline: "features.py"

training:
  framework: "LightGBM"
  device: "cpu"
  time_budget: "10m"

hyperparameter_search:
  method: "Random"
  budget: "2 trials"
  search_space: "[From Agent 24]"
"""
DOCUMENT = """# Model Architecture
## Architecture
```yaml
model_type: LightGBM
num_leaves: 15
```
## Hyperparameter Search Space
```yaml
learning_rate: {min: 0.05, max: 0.3, type: loguniform}
```
## Baselines
```yaml
- dummy
```
## Training Strategy
```yaml
rounds: 12
```
"""
PIPELINE = """
from sklearn.impute import SimpleImputer
from sklearn.compose import make_column_transformer

def build():
    return make_column_transformer((SimpleImputer(), ["x0", "x1", "x2"]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    rows = table().rename(columns={"y": "label"})
    made.write({}, rows.head(240), val=rows.tail(80))
    (tmp_path / "spec.yaml").write_text(INPUT_SPECIFICATION)
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "model-architecture-v0.1.md").write_text(DOCUMENT)
    (tmp_path / "features.py").write_text(PIPELINE)
    return made


@pytest.mark.slow
def test_the_input_specification_trains_as_it_stands(project: Project) -> None:
    run = project.train("--trust-code")
    told = record(run)
    assert told["target"]["name"] == "label"
    assert {"spec.target_found", "document.disagrees"} <= codes(told["findings"])
    assert told["model"]["params"]["num_leaves"] == 7
    assert told["model"]["rounds_run"] <= 12
    assert told["search"]["trials"] == 2
    resolved = (run / "resolved.yaml").read_text()
    assert "artifact: null  # read: what it says is in this file, its text in document.md" in resolved
    assert "rounds: 12  # document, line 17" in resolved
    assert "target: label  # the only column called" in resolved
    assert (run / "document.md").read_text() == DOCUMENT
    (project.folder / "artifacts" / "model-architecture-v0.1.md").unlink()
    with launch.old_run(run, trust_code=True, listener=None) as work:  # as a resume opens it
        assert work.loaded.spec.training.rounds == 12


def test_a_table_without_a_usual_name_is_refused_with_its_columns(project: Project) -> None:
    table().rename(columns={"y": "bought"}).to_csv(project.folder / "data.csv", index=False)
    done = project("check", "spec.yaml", "--trust-code")
    assert done.returncode == 2
    assert "spec.yaml:7:1" in done.stderr
    assert "data.target: the target is missing. Write under data: target: and one of the columns x0, x1" in done.stderr
