"""What a clone gets: no source or test file may be hidden from git by an ignore rule."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="needs git and a checkout")
def test_no_source_or_test_file_is_ignored() -> None:
    files = [str(path.relative_to(ROOT)) for folder in ("src", "tests") for path in (ROOT / folder).rglob("*.py")]
    folders = {str(Path(file).parent) for file in files}
    # A folder named like an ignore rule would swallow files that do not exist yet.
    probes = files + [f"{folder}/new.py" for folder in folders]
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        cwd=ROOT,
        check=False,  # 1 is its answer for "none"
        input="\n".join(probes),
        text=True,
        stdout=subprocess.PIPE,
    )
    assert ignored.stdout == ""
