"""The random attractor of the noise."""

from chorale.paper.claim import (
    CONSISTENT,
    NEIGHBOURS,
    VIOLATED,
    Claim,
    Row,
    Study,
    of_key,
    verdict_of,
)
from chorale.plot.sync import scalar


def rows(results):
    """Whether the limit points are uniform, how many realizations have one, and
    how fast they meet."""
    run = results["attractor"]
    uniform = verdict_of(run.study_values["uniform_verdict"])
    second = scalar(run, "uniform_second")
    rate, exact = of_key(run, "meeting", "growth of the log diameter", 0.0), scalar(
        run, "lambda1_cluster"
    )
    paths = int(scalar(run, "meeting_paths"))
    two = scalar(run, "share_two")
    return [
        Row("share of realizations in one point", 1.0, scalar(run, "share_one")),
        Row("share in two opposite points", 0.0, two, verdict=CONSISTENT if two == 0 else VIOLATED),
        Row(
            "second moments of the points, in standard deviations",
            "at most 4",
            second,
            *[float("nan")] * 2,
            *uniform,
        ),
        rate._replace(label=f"{rate.label} on {paths} paths", theory=exact),
    ]


CLAIM = Claim(
    title="The random attractor is one point, uniform on the sphere",
    statement="statistical equilibrium of the flow, (17.1) and (17.2)",
    claims="Tokens of any start meet along almost every path of the noise in one random point, at "
    "the rate λ1, and that point is uniform, although all tokens start in one cap.",
    contradicted="a path whose tokens rest in two points, or points that are not uniform by more "
    "than four standard deviations",
    premise="no attention, Sigmoid, d = 3; T = 40 stands for infinity, so that a few paths are "
    "still on their way",
    runs={
        "attractor": Study(
            "sync",
            "input/neighbours/attractor.yaml",
            "-sync_starts 4 -tokens_count 16",
            "-ensemble_realizations 10000",
        )
    },
    rows=rows,
    kind=NEIGHBOURS,
    place=60,
    seconds=6,
)
