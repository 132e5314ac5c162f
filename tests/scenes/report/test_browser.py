"""The page in a real browser: nothing overflows, every picture is drawn, nothing is fetched, names run nothing.

Chromium is driven through the DevTools protocol, over a pipe: what is looked at is the file as it was written, its
content security policy in place. A window of 390 px is emulated, because ``--window-size`` gives no less than 500.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import ImageStat

from equipoise.scenes.report import build_report
from equipoise.scenes.runs.run_folder import RunFolder
from tests.scenes.report.chromium import CHROMIUM, Browser, Tab, opened
from tests.scenes.report.test_page import HOSTILE, validate, write_run

MARKUP = "<script>document.title='x'</script>"
LONG = "leftImg8bit_" * 12

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="found no chromium, chromium-browser or google-chrome on PATH"),
    pytest.mark.skipif(CHROMIUM.startswith("/snap/"), reason=f"{CHROMIUM}: a snap does not see the files of a test"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("chromium")
    with (folder / "stderr").open("wb") as errors:
        started = Browser(folder / "profile", errors)
        try:
            yield started
        finally:
            started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's page; its images' names hold markup, and one of its classes has a name that nothing breaks."""
    run = validate(write_run(tmp_path_factory.mktemp("report") / "run"))
    examples = json.loads((run / "pictures/examples.json").read_text())
    (run / "pictures/examples.json").write_text(json.dumps([example | {"name": MARKUP} for example in examples]))
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["per_image"][0]["name"] = MARKUP
    metrics["tasks"]["semantic"]["iou"][LONG] = 0.25
    (run / "metrics.json").write_text(json.dumps(metrics))
    (run / "recipe.json").write_text(json.dumps({"note": HOSTILE, "path": LONG}))
    return build_report(RunFolder(run))


@pytest.fixture(scope="module", params=[1280, 390])
def page(browser: Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[Tab]:
    """The page in light; looked at, never changed."""
    with opened(browser, report, width=request.param) as tab:
        yield tab


def test_light_and_dark(browser, report, page, tmp_path):
    light = page.screenshot(tmp_path / "light.png")
    with opened(browser, report, width=page.width, dark=True) as tab:
        dark = tab.screenshot(tmp_path / "dark.png")
    assert light.size == dark.size
    assert light.width == page.width
    assert light.height > 844
    assert ImageStat.Stat(light.convert("L")).mean[0] > 200
    assert ImageStat.Stat(dark.convert("L")).mean[0] < 80


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(browser, report, width):
    with opened(browser, report, width=width) as tab:
        tab.ask("document.querySelectorAll('details:not(.zoom)').forEach(folded => { folded.open = true })")
        # Not against innerWidth alone: on a phone, that grows with what overflows.
        assert tab.ask("[innerWidth, document.documentElement.scrollWidth]") == [width, width]


def test_every_picture_is_decoded(page):
    sizes = page.ask("[...document.images].map(image => [image.naturalWidth, image.width, image.height])")
    assert len(sizes) == 5
    assert [size for size in sizes if size[0] != 64 or min(size) <= 0] == []


def test_every_chart_is_drawn(page):
    charts = page.ask("""[...document.querySelectorAll("svg")].map(chart => {
        const { left, right, width, height } = chart.getBoundingClientRect()
        const lines = [...chart.querySelectorAll("path.line")].map(line => line.getTotalLength())
        return { name: chart.ariaLabel, left, right, width, height, line: Math.min(...lines) }
    })""")
    # Raw loss, σ, weight and their product for each of two tasks; loss, rate, norm and speed of the whole; three of
    # validation.
    assert len(charts) == 15
    assert [c for c in charts if c["left"] < 0 or c["right"] > page.width] == []
    assert [c for c in charts if c["width"] < 100 or c["height"] < 40 or not c["line"] > 0] == []


def test_nothing_is_fetched(page):
    resources = page.ask("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in resources if not name.startswith("data:")] == []
    assert page.fetched() == []


@pytest.mark.parametrize("policy", [True, False], ids=["policy", "no-policy"])
def test_names_are_text_and_run_nothing(browser, report, policy):
    """Without the policy, too: what is escaped needs none."""
    with opened(browser, report, policy=policy) as tab:
        assert tab.ask("document.querySelector('.given .caption').textContent") == MARKUP
        assert tab.ask("document.images[0].alt") == f"the image {MARKUP}"
        assert tab.ask("[document.title, document.querySelectorAll('script').length]") == ["run · Equipoise", 0]


@pytest.mark.parametrize("policy", [True, False], ids=["policy", "no-policy"])
def test_the_policy_alone_stops_scripts_and_requests(browser, report, policy):
    """As if a name were not escaped. Without the policy both go through: so these tests would see it."""
    address = "http://equipoise.invalid/x.png"
    with opened(browser, report, policy=policy) as tab:
        tab.ask(f"""new Promise(done => {{
            const script = document.createElement("script"), image = new Image()
            script.textContent = "document.title = 'x'"
            image.onerror = () => done(0)
            image.src = "{address}"
            document.body.append(script, image)
        }})""")
        assert tab.ask("document.title") == ("run · Equipoise" if policy else "x")
        tab.wait("Network.loadingFailed")
        assert tab.fetched() == [address]
        reasons = [event.get("blockedReason") for event in tab.told("Network.loadingFailed")]
        assert reasons == ["csp" if policy else None]


@pytest.mark.parametrize("width", [1280, 390])
def test_a_picture_is_enlarged_and_put_back_from_the_keyboard(browser, report, width):
    with opened(browser, report, width=width) as tab:
        before = tab.ask("document.querySelector('.pair img').getBoundingClientRect().width")
        tab.ask("document.querySelector('.pair summary').focus()")
        press_enter(tab)
        where = "document.querySelector('.pair img').getBoundingClientRect()"
        left, top, right, bottom = (tab.ask(f"{where}.{side}") for side in ("left", "top", "right", "bottom"))
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= 844
        assert right - left > 0.9 * width > before
        # Nothing of the page shows beside it.
        corner = "document.elementFromPoint(3, 3).closest('.zoom[open]') !== null"
        assert tab.ask(corner)
        press_enter(tab)
        assert tab.ask("document.querySelector('.pair img').getBoundingClientRect().width") == before


def test_one_picture_is_enlarged_at_a_time(browser, report):
    with opened(browser, report) as tab:
        tab.ask("document.querySelectorAll('.zoom').forEach(picture => { picture.open = true })")
        assert tab.ask("document.querySelectorAll('.zoom[open]').length") == 1


def press_enter(tab: Tab) -> None:
    key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
    tab.call("Input.dispatchKeyEvent", type="keyDown", text="\r", **key)
    tab.call("Input.dispatchKeyEvent", type="keyUp", **key)


def test_no_word_covers_a_picture(page):
    """Captions lie beside or below the pictures, charts' titles above the charts."""
    covered = page.ask("""[...document.querySelectorAll('.caption')].filter(caption => {
        const words = caption.getBoundingClientRect()
        return [...document.images].some(image => {
            const { left, right, top, bottom } = image.getBoundingClientRect()
            return words.left < right && words.right > left && words.top < bottom - 1 && words.bottom > top + 1
        })
    }).map(caption => caption.textContent)""")
    assert covered == []


def test_a_long_class_name_is_cut_and_told_in_full_beside_it(browser, report):
    with opened(browser, report, width=390) as tab:
        tab.ask("document.querySelectorAll('details:not(.zoom)').forEach(folded => { folded.open = true })")
        names = tab.ask(f"""[...document.querySelectorAll('.name[title^="{LONG}"]')].map(name =>
            [name.scrollWidth > name.clientWidth, name.clientHeight < 30, getComputedStyle(name).textOverflow])""")
        # In the list of classes and beside the predictions.
        assert names == [[True, True, "ellipsis"]] * 2


def test_the_step_that_was_kept_is_marked(browser, report):
    """The dashed line stands in the chart, and is seen on light and on dark paper."""
    for dark in (False, True):
        with opened(browser, report, dark=dark) as tab:
            marks = tab.ask("""[...document.querySelectorAll("path.mark")].map(mark => {
                const line = mark.getBoundingClientRect(), chart = mark.closest("svg").getBoundingClientRect()
                const { stroke } = getComputedStyle(mark), paper = getComputedStyle(document.body).backgroundColor
                return [(line.left - chart.left) / chart.width, line.height / chart.height, stroke !== paper]
            })""")
            assert [[round(place, 2), round(height, 2), seen] for place, height, seen in marks] == [[0.75, 1, True]] * 3


def test_charts_are_two_in_a_row_on_a_phone(browser, report):
    with opened(browser, report, width=390) as tab:
        assert len(set(tab.ask("[...document.querySelectorAll('.chart')].map(chart => chart.offsetLeft)"))) == 2
        sizes = tab.ask(
            "[...document.querySelectorAll('.plot')].map(plot => parseFloat(getComputedStyle(plot).fontSize))"
        )
        assert min(sizes) >= 10
