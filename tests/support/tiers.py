"""Members of a kind in the two tiers of tests."""
import pytest

FULL = pytest.mark.full


def some(first, *others):
    """The first few members of a kind in the quick tier, all in the full one."""
    quick = [pytest.param(*one) for one in first]
    return quick + [pytest.param(*one, marks=FULL) for one in others]
