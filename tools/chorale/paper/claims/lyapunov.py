"""The top Lyapunov exponent of the noise."""

from chorale.paper import forest
from chorale.paper.claim import Claim, Row, Study, verdict_of
from chorale.plot.common import factor
from chorale.plot.shown import Sources
from chorale.plot.sync import scalar

SHORT = (
    "-attention_type none -scheme_type flow -mlp_width 64 -tokens_count 24 -layers_depth 20 "
    "-layers_horizon 0.1 -output_every 20 -ensemble_realizations {count} -tokens_dim {dim} "
    "-mlp_activation {name} -mlp_bias_u {bias} -mlp_bias_w {bias}"
)
KERNELS = {
    "relu3": ("relu", 3, 0),
    "relu5": ("relu", 5, 0.1),
    "tanh2": ("tanh", 2, 0),
    "sigmoid5": ("sigmoid", 5, 0.1),
}


def study(name, dim, bias):
    """Two sizes of a run."""
    small, full = (
        SHORT.format(count=count, dim=dim, name=name, bias=bias) for count in (400, 20000)
    )
    return Study("sync", small=small, full=full, ranks=1)


def rows(results):
    """Measured beside exact."""
    listed = []
    for name, run in results.runs.items():
        activation, dim, bias = KERNELS[name]
        value, error, exact = (scalar(run, f"lambda1{end}") for end in ("", "_sem", "_exact"))
        half = factor(run) * error
        label = f"λ1 of {activation}, d = {dim}, σ = {bias}"
        said = verdict_of(run.study_values["lambda1_verdict"])
        listed.append(Row(label, exact, value, value - half, value + half, *said))
    return listed


def picture(results):
    return forest.picture(rows(results), Sources(), "measured less exact exponent")


CLAIM = Claim(
    title="The top Lyapunov exponent",
    statement="exponent of the noise flow, (2.6)",
    claims="The flow of the noise alone has the top Lyapunov exponent λ1 = (d−3)/2 k'(1) − "
    "(d−1)/2 k(1).",
    contradicted="a measured exponent more than four standard errors from it that the step does "
    "not explain",
    premise="no attention; twin tokens, (9.12); the flow is isotropic, so that short runs have no "
    "transient",
    runs={name: study(*kernel) for name, kernel in KERNELS.items()},
    rows=rows,
    picture=picture,
    place=54,
    seconds=10,
)
