"""How tests are run: the longest files first, commands as those who installed them have them."""

from __future__ import annotations

import os

import pytest

LONGEST = ("test_clothes.py", "test_accuracy.py", "test_redaction_property.py", "test_cases.py")
"""Files that take minutes. A worker that began one of them last would be left alone with it."""

# The commands that tests start would else be compiled anew each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files are handed to the workers in the order of their tests."""
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))
