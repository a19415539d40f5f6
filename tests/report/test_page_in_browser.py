"""The pages in a real browser, where one is installed: its console stays empty, nothing is asked for, all fits."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.browser import CHROMIUM, Browser
from tests.report.folder import edit, write_run
from trainwright.report.compare import compare
from trainwright.report.facts import gather
from trainwright.report.page import comparison, document

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
    pytest.mark.xdist_group("browser"),
]
WIDE = ["wide-" * 30, "<script>document.title = 'owned'</script>", '"><img src="https://example.org/x.png">']


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def pages(originals: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    nasty = write_run(
        tmp_path_factory.mktemp("runs") / ("r" * 60), "binary", classes=("no" * 60, WIDE[1]), columns=WIDE
    )
    edit(nasty / "run.json", lambda r: r.update(name=WIDE[0]))
    page = nasty / "report.html"
    page.write_text(document.build(gather(nasty)).html)
    both = tmp_path_factory.mktemp("compare") / "compare.html"
    both.write_text(comparison.render(compare([gather(originals["binary"]), gather(nasty)])))
    found = {task: run / "report.html" for task, run in originals.items()}
    return {**found, "nasty": page, "compare": both}


@pytest.mark.parametrize("name", ["binary", "multiclass", "regression", "nasty", "compare"])
def test_the_page_is_quiet_and_fits(browser: Browser, pages: dict[str, Path], name: str) -> None:
    for width in (390, 1100):
        browser.open(pages[name], width=width)
        assert browser.value("document.documentElement.scrollWidth") <= width
        assert browser.value("document.title") != "owned"
        assert browser.requests() == [pages[name].as_uri()]
        assert browser.complaints() == []


def test_an_injected_script_would_not_run(browser: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    attack = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\"></main>"
    broken.write_text(pages["binary"].read_text().replace("</main>", attack))
    browser.open(broken, width=1100)
    assert browser.value("document.title") == "churn · training report"
    assert browser.complaints()  # the browser says what it refused


def test_a_click_sorts_and_a_second_turns_the_order(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["multiclass"], width=1100)
    table = "document.querySelector('#performance table.sortable')"
    recall = f"[...{table}.tBodies[0].rows].map(r => parseFloat(r.cells[3].textContent))"
    click = f"{table}.tHead.rows[0].cells[3].querySelector('button').click()"
    browser.value(click)
    rising = browser.value(recall)
    assert rising == sorted(rising)
    assert len(set(rising)) > 1
    browser.value(click)
    assert browser.value(recall) == rising[::-1]


def test_what_is_pointed_at_is_told(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["binary"], width=1100)
    browser.value(
        "document.querySelector('#training .hit rect').scrollIntoView({block: 'center', behavior: 'instant'})"
    )
    middle = "r => [r.x + r.width / 2, r.y + r.height / 2]"
    box = browser.value(f"({middle})(document.querySelector('#training .hit rect').getBoundingClientRect())")
    assert browser.value("document.getElementById('tip').hidden") is True
    ends = time.monotonic() + 20
    while browser.value("document.getElementById('tip').hidden"):
        assert time.monotonic() < ends
        browser.send("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])
        time.sleep(0.02)  # a page that was scrolled takes a frame until it knows what lies where
    assert browser.value("document.getElementById('tip').textContent").startswith("round ")


def test_dark_and_light_by_system_and_by_button(browser: Browser, pages: dict[str, Path]) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    browser.open(pages["binary"], width=1100)
    light = browser.value(paper)
    browser.open(pages["binary"], width=1100, dark=True)
    dark = browser.value(paper)
    assert light != dark
    browser.value("document.getElementById('theme').click()")
    assert browser.value(paper) == light
    assert browser.value("document.getElementById('theme').textContent") == "Dark"
