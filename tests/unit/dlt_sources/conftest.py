"""A fake of both vendors and an empty warehouse for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from loyalty_fakes import Warehouse, running_fake


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    with running_fake() as fake:
        yield Warehouse(tmp_path, fake)
