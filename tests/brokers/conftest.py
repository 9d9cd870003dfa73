"""The contract suite's fixture: one test, once for each broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.brokers.rigs import BROKERS, Rig


@pytest.fixture(params=list(BROKERS))
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    with BROKERS[request.param]() as made:
        yield made
