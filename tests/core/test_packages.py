"""Optional packages that are absent or broken."""

from pathlib import Path

import pytest

from trainwright.core.errors import ResourceMissing
from trainwright.core.packages import needs_package, whole_or_absent


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_built.py").write_text("raise RuntimeError('operator a::b does not exist\\n  at line 3')")
    (tmp_path / "needs_another.py").write_text("import not_there_at_all")
    monkeypatch.syspath_prepend(tmp_path)


def test_an_absent_package_is_named_with_its_extra() -> None:
    with pytest.raises(ResourceMissing, match=r"pip install 'trainwright\[text\]'"), needs_package("nothing_x", "text"):
        import nothing_x  # noqa: F401


@pytest.mark.usefixtures("broken")
def test_a_broken_one_is_named_with_what_to_do() -> None:
    words = r"operator a::b does not exist\. Take both from one place"
    with (
        pytest.raises(ResourceMissing, match=words) as refused,
        needs_package("half_built", "vision", hint="Take both from one place"),
    ):
        import half_built  # noqa: F401
    assert "line 3" not in refused.value.message
    words = r"needs_another is installed but cannot be imported.*not_there_at_all"
    with pytest.raises(ResourceMissing, match=words), needs_package("needs_another", "vision"):
        import needs_another  # noqa: F401


@pytest.mark.usefixtures("broken")
def test_one_that_others_import_is_whole_or_absent() -> None:
    whole_or_absent("nothing_x", hint="")
    whole_or_absent("json", hint="")
    with pytest.raises(ResourceMissing, match="remove it"):
        whole_or_absent("half_built", hint="remove it")
