"""Facts: frozen, small, and free to ignore."""

from __future__ import annotations

import pytest

from fast_sse.observe import observer
from fast_sse.observe.observer import Fact, NullObserver, Observer

FACTS = [kind for kind in vars(observer).values() if isinstance(kind, type) and issubclass(kind, Fact)]


def example(kind: type[Fact]) -> Fact:
    """A fact of this kind with a plausible value in every field."""
    values = {"str": "text", "int": 7, "float": 0.5}
    return kind(**{name: values[str(kind.__annotations__[name])] for name in kind.__struct_fields__})


@pytest.mark.parametrize("kind", FACTS)
def test_facts_are_frozen_and_flat(kind: type[Fact]) -> None:
    """A fact holds text and numbers only, and nobody who hears it can change it for the next one."""
    fact = example(kind)
    for name in kind.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(fact, name, None)


def test_nobody_need_listen() -> None:
    """The null observer is an observer and takes every fact."""
    nobody: Observer = NullObserver()
    assert len(FACTS) > 5
    for kind in FACTS:
        nobody.notify(example(kind))
