"""What is written down is true: doctests, the page of tables, the README's links, docstrings of public names."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import muledetect
from muledetect.features.signals import describe_signals, signal_registry
from muledetect.schema import INPUTS, OUTPUTS, describe_tables

ROOT = Path(__file__).parent.parent
MODULES = [
    "muledetect",
    *(module.name for module in pkgutil.walk_packages(muledetect.__path__, "muledetect.")),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_every_module_and_public_name_says_what_it_is(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    for public in getattr(module, "__all__", []):
        value = getattr(module, public)
        if callable(value) and getattr(value, "__module__", "").startswith("muledetect"):
            assert value.__doc__, f"{name}.{public} has no docstring"


def test_the_page_of_tables_is_what_the_schema_says() -> None:
    assert (ROOT / "docs" / "tables.md").read_text("utf-8") == describe_tables()


def test_every_column_has_a_meaning() -> None:
    for table in (*INPUTS.values(), *OUTPUTS.values()):
        assert table.meaning
        assert all(column.meaning for column in table.columns)
        assert set(table.key) <= set(table.names)


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text("utf-8"))
    missing = [link for link in links if not link.startswith("http") and not (ROOT / link).exists()]
    assert links
    assert not missing


def test_the_page_of_signals_is_made_from_the_registry() -> None:
    made = describe_signals(signal_registry())
    assert (ROOT / "docs" / "signals.md").read_text("utf-8") == made, "write describe_signals(signal_registry()) there"
