"""Several runs of study chaos in one picture and one table: which laws in N fit values that are
made by a law."""

import contextlib

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tools
from test_report import Page

from chorale import io
from chorale.plot import files, laws, rates

COUNT = 2 ** np.arange(5, 17)
STUDENT = {6: 2.5706, 24: 2.0687}  # 97.5% quantiles for R - 1 degrees of freedom
LAWS = {
    "log": (3, lambda N: (2 * np.log(N) + 3) / N),
    "log squared": (3, lambda N: np.log(N) ** 2 / N),
    "two thirds": (4, lambda N: 2.5 * N ** (-2 / 3)),
    "two thirds, bent": (4, lambda N: 2.5 * N ** (-2 / 3) - 3 / N),
    "half": (4, lambda N: 2 * N**-0.5),
    "two fifths": (6, lambda N: 2 * N**-0.4 - 2 / N),
}


def make(name, law, realizations=24, noise=0.02, seed=1, count=COUNT, **more):
    """A results file of chaos whose W2^2 follows a law of LAWS: in relative errors, a factor of
    30% that all N of a realization share, and noise of their own."""
    dim, values = LAWS[law]
    part = count / more["reference_tokens"] if "reference_tokens" in more else 0
    draw = np.random.default_rng(seed).standard_normal
    shared, own = 0.3 * draw((realizations, 1, 1)), noise * draw((realizations, 3, len(count)))
    frames = values(count / (1 - part)) * np.exp(shared + own)
    frames[:, :2] *= 0.5  # the largest is the last
    keys = {"tokens_dim": dim, "tokens_init": "uniform", "chaos_reference": "twin", **more}
    keys["tokens_count"] = ",".join(map(str, count))
    with h5py.File(name, "w") as file:
        file.create_group("parameters").attrs.update({k: str(v) for k, v in keys.items()})
        file.create_group("provenance").attrs["complete"] = "true"
        study = file.create_group("study/chaos")
        study.attrs["interval_factor"] = STUDENT.get(realizations, np.nan)
        slope = np.log(values(COUNT[-1]) / values(COUNT[0])) / np.log(COUNT[-1] / COUNT[0])
        slopes = {
            "slope_w2sq": slope,
            "slope_w2sq_low": slope - 0.01,
            "slope_w2sq_high": slope + 0.01,
        }
        study.attrs.update(slopes, slope_bound=-2 / max(4, dim))
        study.attrs["reference"] = more.get("reference", "twin")
        study.attrs["reference_tokens"] = more.get("reference_tokens", 0.0)
        study["tokens"], study["w2sq_frames"] = count.astype(float), frames
    return name


@contextlib.contextmanager
def made(*arguments, **keys):
    """The Rates of such a file."""
    with io.open(make("made.h5", *arguments, **keys)) as run:
        yield laws.Rates(run)


@pytest.mark.parametrize("law", LAWS)
def test_the_law_of_the_values_fits(folder, law):
    fits = {
        "log": {"with_term"},
        "log squared": set(),
        "two thirds": {"alone", "with_term", "power"},
        "two thirds, bent": {"with_term"},
        "half": {"power"},
        "two fifths": {"with_term"},
    }[law]
    with made(law) as found:
        holds = {f.__name__ for f in rates.LAWS.values() if found.fit(f).holds}
        assert holds == fits, {f.__name__: found.fit(f)[2:] for f in rates.LAWS.values()}


def test_coefficients_are_within_their_errors(folder):
    """Three standard errors; the factor that all N share has the mean e^{0.045}."""
    mean = np.exp(0.045)
    for law, fitted, exact, wide in (
        ("log", laws.with_term, (2 * mean, 3 * mean), (0.7, 1.5)),
        ("two fifths", laws.with_term, (2 * mean, -2 * mean), (0.7, 0.9)),
        ("half", laws.power, (np.log(2 * mean), -0.5), (0.3, 0.01)),
    ):
        with made(law) as found:
            value, low, high = found.fit(fitted).numbers.T
        assert (abs(value - exact) < 0.75 * (high - low)).all(), (law, value, low, high)
        assert (high - low < wide).all(), (law, low, high)


@pytest.mark.parametrize("realizations", STUDENT)
def test_a_law_that_holds_is_refused_in_one_run_of_a_hundred(folder, realizations):
    """Of 200 runs with little and much noise of their own at most ten: 2 are expected."""
    wrong = 0
    for seed in range(200):
        more = {"noise": (0.02, 0.25)[seed % 2], "count": COUNT[:10]}
        with made("log", realizations, seed=seed, **more) as found:
            wrong += not found.fit(laws.with_term).holds
    assert wrong <= 10


def test_slopes_over_the_upper_half(folder):
    with made("half") as found:
        value, low, high = found.slope(upper=True)
        assert low < -0.5 < high and high - low < 0.02 and abs(value + 0.5) < 0.01
    with made("half", count=COUNT[:4]) as found:
        assert np.isnan(found.slope(upper=True)).all()


def test_a_part_of_a_larger_system_counts_as_more_tokens(folder):
    """N of M: at N = M/2 twice as many, as the variance of their means is half."""
    with made("log", reference="nested", reference_tokens=2.0**17) as found:
        assert found.count[-1] == 2 * COUNT[-1] and abs(found.count[0] / 32 - 1) < 1e-3
    with made("log", reference="twin") as found:
        assert (found.count == COUNT).all()


def test_too_little_is_not_fitted(folder):
    for few in ({"realizations": 3}, {"count": COUNT[:3]}):
        with made("log", **few) as found:
            assert found.fit(laws.with_term) is None
    with pytest.raises(io.BadFile, match="two values of N"), made("log", count=COUNT[:1]):
        pass


@pytest.fixture(name="three")
def three_files(folder):
    """Runs that differ in d, reference and start."""
    nested = {"reference": "nested", "reference_tokens": 2.0**18}
    return [
        make("log.h5", "log"),
        make("part.h5", "log", **nested),
        make("vmf.h5", "log squared", tokens_init="vmf", tokens_kappa="10"),
        make("d4.h5", "two thirds"),
        make("d6.h5", "two fifths"),
    ]


def test_labels_say_dimension_reference_and_start(three):
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(io.open(path)) for path in three]
        assert rates.labels(runs) == [
            "d = 3, twins",
            "d = 3, part of 262144 tokens",
            "d = 3, twins, start vmf, κ = 10",
            "d = 4, twins",
            "d = 6, twins",
        ]
        assert rates.labels([runs[0], runs[0]]) == ["log", "log"]


def test_several_runs_of_chaos_are_drawn_together(three):
    code, out, err = tools.run("plot", "--together", *three, "--theme", "dark")
    assert (code, out, err) == (0, "together.png\n", "")
    picture = files.together_of(three)
    assert "paper's bound in all 5 runs" in picture.headline, picture.headline
    assert picture.headline.endswith("fits 4 of 5"), picture.headline
    panels = [axes for axes in picture.figure.axes if axes.has_data()]
    assert [len(axes.containers) for axes in panels] == [3, 2]
    values = panels[0].containers[0].lines[0].get_ydata()
    with io.open(three[0]) as run:
        expected = COUNT * run.study_data["w2sq_frames"][:].max(axis=1).mean(axis=0)
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    plt.close("all")


def test_results_of_two_studies_are_not_drawn_together(three, runs):
    code, out, err = tools.run("plot", "--together", three[0], runs.path("circle"))
    assert (
        (code, out) == (2, "") and err.count("\n") == 1 and "of one study, here of chaos" in err
    ), err


def test_slopes_are_those_of_the_study(runs):
    with io.open(runs.path("chaos")) as run:
        found = laws.Rates(run).slope()
        assert abs(found[0] - run.study_values["slope_w2sq"]) < 1e-12


def test_a_report_has_a_table_of_rates(three):
    """Two rows for each run: at t = 0 the values of these files are half of the largest."""
    code, _, err = tools.run("report", *three, "-o", "page.html")
    assert (code, err) == (0, "")
    with open("page.html", encoding="utf-8") as file:
        rows = Page(file.read()).columns("run", "W2² at", "N from", "to", "paper's bound")
    assert rows["run"][::2] == rows["run"][1::2] and rows["run"][0] == "d = 3, twins"
    assert rows["W2² at"] == ["sup", "t = 0"] * 5 and rows["N from"] == [32.0] * 10
    assert rows["own rate"][6::2] == ["N^(−2/3)", "N^(−2/5)"]
    assert all(abs(value + 2 / 3) < 0.01 for value in rows["slope"][6:8]), rows["slope"]
