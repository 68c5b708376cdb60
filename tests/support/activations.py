"""Covariance kernels of activations by quadratures of numpy's and scipy's, which share nothing with
chorale's."""

import numpy as np
from scipy import special, stats

# Gauss-Legendre on 80 intervals, a kink at 0 between two of them: E f(Z) is WEIGHT @ f(NODE)
EDGE = np.linspace(-12, 12, 81)
RULE = np.polynomial.legendre.leggauss(16)
NODE = ((EDGE[1:, None] + EDGE[:-1, None]) / 2 + 0.15 * RULE[0]).ravel()
WEIGHT = (0.15 * np.broadcast_to(RULE[1], (80, 16))).ravel() * stats.norm.pdf(NODE)

FUNCTIONS = {
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "gelu": lambda z: z * stats.norm.cdf(z),
    "silu": lambda z: z * special.expit(z),
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "erf": special.erf,
    "softplus": lambda z: np.logaddexp(0, z),
    "sin": np.sin,
    "identity": lambda z: z,
}
DERIVATIVES = {
    "relu": lambda z: 1.0 * (z > 0),
    "leaky_relu": lambda z: np.where(z > 0, 1, 0.01),
    "gelu": lambda z: stats.norm.cdf(z) + z * stats.norm.pdf(z),
    "silu": lambda z: special.expit(z) * (1 + z * special.expit(-z)),
    "sigmoid": lambda z: special.expit(z) * special.expit(-z),
    "tanh": lambda z: 1 / np.cosh(z) ** 2,
    "erf": lambda z: 2 / np.sqrt(np.pi) * np.exp(-(z**2)),
    "softplus": special.expit,
    "sin": np.cos,
    "identity": np.ones_like,
}


def at_one(name, d, sigma):
    """k(1) and k'(1) for both biases of standard deviation sigma."""
    z = np.sqrt(1 / d + sigma**2) * NODE
    return WEIGHT @ FUNCTIONS[name](z) ** 2 + sigma**2, WEIGHT @ DERIVATIVES[name](z) ** 2 / d


def lambda_bar(name, d, sigma):
    k, slope = at_one(name, d, sigma)
    return (d - 1) * slope - (d - 3) * k


def kernel(name, d, sigma, u):
    """k at the cosines u by nested quadratures; the arc-cosine kernel for the kink of relu."""
    variance = 1 / d + sigma**2
    root, share = np.sqrt(variance), (u / d + sigma**2) / variance
    if name == "relu":
        turn = share * (np.pi - np.arccos(share))
        return variance / (2 * np.pi) * (np.sqrt(1 - share**2) + turn) + sigma**2
    f = FUNCTIONS[name]
    inner = [f(root * (s * NODE[:, None] + np.sqrt(1 - s**2) * NODE)) @ WEIGHT for s in share]
    return inner @ (WEIGHT * f(root * NODE)) + sigma**2


def truncated_exponent(name, d, sigma, degree):
    """lambda1 of the kernel cut off at a degree, with c_n by Gauss-Gegenbauer."""
    nodes = 512 if name == "relu" else 40
    u, w = special.roots_gegenbauer(nodes, d / 2 - 1) if d > 2 else special.roots_chebyt(nodes)
    k, total = kernel(name, d, sigma, u), 0
    for n in range(degree + 1):
        P = special.eval_gegenbauer(n, d / 2 - 1, u) if d > 2 else special.eval_chebyt(n, u)
        P = P / (special.eval_gegenbauer(n, d / 2 - 1, 1) if d > 2 else 1)
        c = (w * k * P).sum() / (w * P * P).sum()
        total += c * ((d - 3) / 2 * n * (n + d - 2) / (d - 1) - (d - 1) / 2)
    return total
