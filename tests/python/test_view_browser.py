"""Pages of tools/view in a browser: they open without an error, play, turn, answer to slider, keys
and clicks, with the numbers of the file; what a file says stays text; nothing is loaded."""

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import tools
from run import chorale, options, wait_until
from studies import RUNS

from chorale import io
from chorale.view import content, page
from chorale.view.program import text_of

pytestmark = pytest.mark.full

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars
--disable-background-networking --disable-component-update --disable-sync"""
WIDTHS = (360, 1280, 2000)
PAPER = {"light": [255, 255, 255, 255], "dark": [20, 23, 28, 255]}
FIGURE = "var figure = chorale.figures[0]; "


class Browser:
    """A page in Chromium."""

    def __init__(self, driver):
        self.driver, self.execute = driver, driver.execute_script

    def open(self, path, width=1280, theme="light"):
        """Without an error, and nothing beside the file."""
        self.look(width, theme)
        self.driver.get(f"file://{os.path.abspath(path)}")
        assert self.errors() == []
        assert self.execute("return performance.getEntriesByType('resource').length") == 0

    def look(self, width, theme):
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500}
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def errors(self):
        return [one for one in self.driver.get_log("browser") if one["level"] != "INFO"]

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def press(self, selector, key):
        self.find(selector).send_keys(key)

    def click(self, selector, right, down):
        """At a place of an element, from its upper left corner."""
        from selenium.webdriver.common.action_chains import ActionChains

        element = self.find(selector)
        self.execute("arguments[0].scrollIntoView({block: 'center'})", element)
        size = element.size
        offset = round(right - size["width"] / 2), round(down - size["height"] / 2)
        ActionChains(self.driver).move_to_element_with_offset(element, *offset).click().perform()

    def tokens(self):
        return np.array(self.execute(FIGURE + "return figure.tokens()"))

    def frame(self):
        return self.execute(FIGURE + "return figure.player.frame")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One for all tests of this file."""
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service

    driver = shutil.which("chromedriver")
    if not driver or not any(map(os.path.exists, page.D3)):
        pytest.skip("chromium-driver or node-d3 is not installed (tools/install-deps all)")
    wanted = webdriver.ChromeOptions()
    for flag in FLAGS.split():
        wanted.add_argument(flag)
    wanted.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('browser')}")
    wanted.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(service=Service(driver), options=wanted)
    yield Browser(started)
    started.quit()


def view(*files, out="page.html"):
    code, _, err = tools.run("view", *files, "-o", out)
    assert (code, err) == (0, "")
    return out


def positions(path, realization=0):
    """[frame][token][d] of a file."""
    with io.open(path) as run, run.trajectory(realization) as found:
        return np.array([found[f] for f in range(len(found))])


def same(found, exact):
    """To half of the last of 16 bits."""
    return np.abs(found - exact).max() <= 0.5 / 32767


@pytest.mark.parametrize("name", [*RUNS, "kernel"])
def test_every_page_opens_on_a_phone_and_a_screen_in_both_themes(browser, runs, folder, name):
    """No wider than the window, with an axis or a sphere that is drawn."""
    view(runs.path(name))
    for width, theme in zip(WIDTHS, ("dark", "light", "dark")):
        browser.open("page.html", width, theme)
        assert browser.execute("return document.documentElement.scrollWidth") <= width
        drawn = browser.execute(
            "return document.querySelectorAll('.view path, .view image').length"
        )
        assert drawn > 0 and browser.execute("return chorale.figures.length") > 0


def test_the_slider_moves_the_tokens_to_where_the_file_has_them(browser, runs, folder):
    exact = positions(runs.path("sphere"))
    browser.open(view(runs.path("sphere")))
    assert same(browser.tokens(), exact[0])
    picture = browser.execute("return document.querySelector('canvas').toDataURL()")
    for key, frame in (("\ue014", 1), ("\ue014", 2), ("\ue010", 12), ("\ue012", 11), ("\ue011", 0)):
        browser.press(".player input", key)
        assert browser.frame() == frame and same(browser.tokens(), exact[frame])
        now = browser.execute("return document.querySelector('canvas').toDataURL()")
        assert (now == picture) == (frame == 0)
    with io.open(runs.path("sphere")) as run:
        energy = run.observables["energy"].values()[0, 0]
    assert f"energy {energy:.3g}" in browser.find(".now").text


def test_it_plays_to_the_end_and_pauses(browser, runs, folder):
    browser.open(view(runs.path("circle")))
    browser.find(".play").click()
    wait_until(lambda: browser.frame() == 12, "the last frame")
    assert not browser.execute(FIGURE + "return figure.player.playing")
    assert same(browser.tokens(), positions(runs.path("circle"))[-1])
    assert "play" in browser.find(".play").text and browser.errors() == []


def test_the_space_bar_plays_and_arrows_step_and_turn(browser, runs, folder):
    browser.open(view(runs.path("sphere")))
    browser.press("canvas", "\ue014")
    assert browser.frame() == 1
    before = browser.execute(FIGURE + "return figure.ball.angles")
    browser.press("canvas", "\ue008\ue014")  # with shift
    assert browser.execute(FIGURE + "return figure.ball.angles[0]") == before[0] + 6
    assert browser.frame() == 1
    browser.press("body", " ")
    wait_until(lambda: browser.frame() == 12, "the last frame")


def test_turned_tokens_are_a_rotation_of_those_of_the_file(browser, runs, folder):
    """All cosines of pairs stay what they are, and the picture is not mirrored."""
    from selenium.webdriver.common.action_chains import ActionChains

    exact = positions(runs.path("sphere"))[0]
    browser.open(view(runs.path("sphere")))
    before = browser.execute(FIGURE + "return figure.ball.angles")
    canvas = browser.find("canvas")
    ActionChains(browser.driver).drag_and_drop_by_offset(canvas, 60, -35).perform()
    assert browser.execute(FIGURE + "return figure.ball.angles") != before
    script = "var b = figure.ball; return [Array.from(b.seen), b.middle, b.radius]"
    seen, middle, radius = browser.execute(FIGURE + script)
    seen = np.array(seen).reshape(-1, 3)
    turned = np.array(
        [(seen[:, 0] - middle) / radius, (middle - seen[:, 1]) / radius, seen[:, 2]]
    ).T
    assert np.abs(turned @ turned.T - exact @ exact.T).max() < 1e-3
    assert np.linalg.det(turned[:3]) * np.linalg.det(exact[:3]) > 0


def test_a_click_on_a_token_follows_it(browser, runs, folder):
    browser.open(view(runs.path("sphere")))
    script = """var seen = figure.ball.seen, best = 0;
    for (var i = 0; i < figure.count; i++) if (seen[3 * i + 2] > seen[3 * best + 2]) best = i;
    return [best, seen[3 * best] / figure.ball.sharp, seen[3 * best + 1] / figure.ball.sharp]"""
    token, right, down = browser.execute(FIGURE + script)
    before = browser.execute("return document.querySelector('canvas').toDataURL()")
    browser.click("canvas", right, down)
    assert browser.execute(FIGURE + "return figure.followed") == token
    assert browser.find("input[type=number]").get_attribute("value") == str(token)
    assert browser.execute("return document.querySelector('canvas').toDataURL()") != before


def test_a_realization_is_chosen_and_clusters_are_counted(browser, runs, folder):
    from selenium.webdriver.support.ui import Select

    browser.open(view(runs.path("every_fifth")))
    shown, coloured = (
        Select(one) for one in browser.driver.find_elements("css selector", ".controls select")
    )
    shown.select_by_value("1")
    browser.press(".player input", "\ue010")
    assert same(browser.tokens(), positions(runs.path("every_fifth"), 1)[-1])
    coloured.select_by_value("cluster")
    words = browser.driver.find_elements("css selector", ".key .swatch")
    assert sum(int(one.text.split()[0]) for one in words) == 40


def test_a_click_on_a_cell_shows_its_curve(browser, folder):
    keys = {"tokens_count": 8, "mlp_width": 8, "layers_depth": 6, "output_file": "sweep.h5"}
    chorale(["simulate", *options(**keys, attention_beta="2,1,4", attention_value="1,-1")])
    browser.open(view("sweep.h5"))
    script = "return [figure.left, figure.step[0], figure.step[1], figure.high]"
    left, wide, tall, high = browser.execute(FIGURE + script)
    with io.open("sweep.h5") as run:
        order = run.study_data["order_mean"][:]
    for i, j, cell, title in ((0, 0, (1, 1), "β = 1, v = −1"), (2, 1, (2, 0), "β = 4, v = 1")):
        browser.click(".map svg", left + (i + 0.5) * wide, 6 + high - (j + 0.5) * tall)
        assert browser.find(".cell h4").text == title
        found = browser.execute(FIGURE + "return Array.from(figure.chart.lines[0].y)")
        assert (np.array(found) == order[cell]).all()
        assert browser.find(".cell svg path").is_displayed()
    browser.press(".map svg", "\ue012")  # an arrow
    assert browser.find(".cell h4").text == "β = 2, v = 1"


def test_a_legend_switches_curves_and_a_pointer_reads_them(browser, runs, folder):
    browser.open(view(runs.path("sync")))
    script = FIGURE + "return figure.shown().length"
    count = browser.execute(script)
    button = browser.find(".legend button")
    button.click()
    assert browser.execute(script) == count - 1
    assert browser.find(".legend button").get_attribute("aria-pressed") == "false"
    browser.find(".legend button").click()
    assert browser.execute(script) == count
    with io.open(runs.path("sync")) as run:
        column = run.table()["energy_mean"]
    script = "return [figure.x(figure.lines[0].x[5]), figure.y(figure.lines[0].y[5])]"
    right, down = browser.execute(FIGURE + script)
    browser.click(".chart svg", 64 + right, 8 + down)
    words = browser.find(".view-tip").text
    assert "measured" in words and f"{column[5]:.6g}" in words and "95%" in words
    assert "mean of 8 realizations" in words


def test_the_table_behind_a_figure_has_its_numbers(browser, runs, folder):
    browser.open(view(runs.path("sphere")))
    browser.find(".numbers summary").click()
    rows = "return document.querySelectorAll('.numbers tbody tr').length"
    wait_until(lambda: browser.execute(rows) == 13, "the table")
    with io.open(runs.path("sphere")) as run:
        energy = run.observables["energy"].values()[12, 0]
    last = browser.driver.find_elements("css selector", ".numbers tbody tr")[-1]
    cells = [one.text for one in last.find_elements("css selector", "td")]
    assert float(cells[1]) == pytest.approx(energy, rel=1e-5) and cells[0] == "5"


@pytest.mark.parametrize("theme", PAPER)
def test_the_canvas_has_the_colours_of_the_theme(browser, runs, folder, theme):
    """Also after a change while it is open."""
    other = {"light": "dark", "dark": "light"}[theme]
    browser.open(view(runs.path("sphere")), theme=other)
    corner = FIGURE + "return Array.from(figure.ball.context.getImageData(1, 1, 1, 1).data)"
    assert browser.execute(corner) == PAPER[other]
    browser.look(1280, theme)
    wait_until(lambda: browser.execute(corner) == PAPER[theme], "the other theme")


def test_what_a_file_says_stays_text(browser, have, folder):
    have("alone")
    hostile = "</script><img src=x onerror=\"document.title='taken'\"><svg onload=alert(1)>"
    name = "<img src=x onerror=alert(1)>.h5"
    os.rename("alone.h5", name)
    with h5py.File(name, "r+") as file:
        file["parameters"].attrs["tokens_init"] = hostile
        file["observables/energy/value"].attrs["unit"] = hostile
    browser.open(view(name))
    assert browser.driver.title == f"{name}: chorale"
    assert browser.find("h1").text == name and hostile in browser.find("p.soft").text
    labels = browser.driver.find_elements("css selector", ".label")
    assert any(hostile in one.text for one in labels)
    assert (
        browser.execute("return document.querySelectorAll('img, [onload], [onerror]').length") == 0
    )


MOVED = {"mlp_activation": "sin", "layers_depth": 8, "layers_horizon": 0.08, "tokens_count": 16}


@pytest.mark.parametrize("dim, degree", [(2, 32), (3, 24)])
def test_densities_stand_where_the_file_has_them(browser, folder, dim, degree):
    """Brighter or longer where there is more, at every point of its grid."""
    keys = {**MOVED, "noise_type": "spectral", "noise_degree": 3, "scheme_type": "flow"}
    more = {"tokens_dim": dim, "spde_degree": degree, "spde_snapshots": 3}
    chorale(["spde", *options(**keys, **more, output_file="density.h5", progress="off")])
    browser.open(view("density.h5"))
    with io.open("density.h5") as run:
        values = run.study_data["snapshot_density"][2]
        grid = [run.study_data["snapshot_angle"][:].tolist()]
        if values.ndim == 2:
            grid.append(run.study_data["snapshot_latitude"][:].tolist())
    script = """var at = chorale.density(figure.spec.density, 2), grid = arguments[0];
    if (grid.length === 1) return grid[0].map(function (angle) { return at(angle); });
    return grid[1].map(function (south) {
      return grid[0].map(function (angle) { return d3.sum(at(angle, south)); });
    });"""
    seen = np.array(browser.driver.execute_script(FIGURE + script, grid)).ravel()
    order = np.argsort(values.ravel())
    assert seen.size == values.size and (np.diff(seen[order]) >= 0).all()
    assert np.ptp(seen) > 0


@pytest.fixture(name="clock")
def clock_in_hand(browser):
    """What a page wants to do again and again is done when it is asked for: timer[0]() after
    timer[1] ms."""
    source = "window.setInterval = function (act, ms) { window.timer = [act, ms]; };"
    command, key = "Page.addScriptToEvaluateOnNewDocument", "identifier"
    held = browser.driver.execute_cdp_cmd(command, {"source": source})[key]
    yield
    browser.driver.execute_cdp_cmd(command.replace("add", "remove"), {key: held})


def test_the_page_of_a_running_job_is_read_anew_as_it_was_left(browser, runs, folder, clock):
    """Where the reader looks from, and at which time; not while a pointer is pressed."""
    shown, library = content.of_file(str(runs.path("sphere"))), page.library_of()
    place = Path("page.html")
    place.write_text(text_of([shown], library, 5.0), encoding="utf-8")
    browser.open(place)
    assert browser.frame() == 12 and browser.execute("return timer[1]") == 5000  # the newest frame
    browser.execute(FIGURE + "figure.ball.turn([10, 20]); figure.player.set(5)")
    place.write_text(text_of([shown._replace(name="later")], library), encoding="utf-8")
    press = "document.dispatchEvent(new Event('pointer%s')); timer[0]()"
    browser.execute(press % "down")
    assert browser.driver.title == "sphere.h5: chorale"
    browser.execute(press % "up")
    wait_until(lambda: browser.driver.title == "later: chorale", "the new page")
    wait_until(lambda: browser.execute("return document.readyState") == "complete", "all of it")
    assert browser.frame() == 5
    assert browser.execute(FIGURE + "return figure.ball.angles") == [10, 20]
    assert browser.execute("return window.timer === undefined") and browser.errors() == []


def test_a_notebook_s_frame_shows_the_page(browser, runs, folder):
    with io.open(runs.path("sphere")) as run:
        body = run.view()._repr_mimebundle_()["text/html"]
    Path("cell.html").write_text(f"<!DOCTYPE html><body>{body}</body>", encoding="utf-8")
    browser.open("cell.html")
    browser.driver.switch_to.frame(browser.find("iframe"))
    assert same(browser.tokens(), positions(runs.path("sphere"))[0])
    browser.driver.switch_to.default_content()
    assert not browser.find("img").is_displayed()


def test_a_report_has_figures_that_move_beside_its_tables(browser, have, folder):
    have("sphere", "sync")
    code, _, err = tools.run("report", "--interactive", "sphere.h5", "sync.h5", "-o", "page.html")
    assert (code, err) == (0, "")
    browser.open("page.html", 390)
    assert browser.execute("return document.documentElement.scrollWidth") <= 390
    assert browser.execute("return chorale.figures.length") == 6
    browser.press(".player input", "\ue010")
    script = "return chorale.figures.filter(function (one) { return one.player; })[0].player.frame"
    assert browser.execute(script) == 12
