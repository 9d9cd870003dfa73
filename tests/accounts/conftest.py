"""What tests of messages to the outside need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.accounts.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as listening:
        yield listening
