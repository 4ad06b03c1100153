"""Several observers of one hub, one of which may fail."""

from __future__ import annotations

from fast_sse.observe.observer import DefectSeen, Fact, Observer, StoreRecovered, Trimmed
from fast_sse.observe.observers import Observers


class Notes:
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def notify(self, fact: Fact) -> None:
        """Keep it."""
        self.facts.append(fact)


class Broken:
    """Fails at every fact."""

    def notify(self, fact: Fact) -> None:
        """Raise."""
        raise KeyError(type(fact).__name__)


def failures(observers: Observers) -> float:
    """The one number."""
    (sample,) = observers.samples()
    assert (sample.name, sample.kind) == ("observer_failures_total", "counter")
    return sample.value


def test_each_observer_gets_each_fact_in_order() -> None:
    """One fact after the other, the same value for all."""
    first, second = Notes(), Notes()
    both: Observer = Observers([first, second])
    for fact in (StoreRecovered(), Trimmed(3)):
        both.notify(fact)
    assert first.facts == second.facts == [StoreRecovered(), Trimmed(3)]


def test_one_that_fails_takes_nothing_from_the_others() -> None:
    """The hub goes on, the others get the fact, and every one hears what failed, with its traceback; the failure is counted."""
    before, after = Notes(), Notes()
    observers = Observers([before, Broken(), after])
    observers.notify(Trimmed(3))
    assert failures(observers) == 1
    for notes in (before, after):
        assert Trimmed(3) in notes.facts
        (defect,) = [fact for fact in notes.facts if isinstance(fact, DefectSeen)]
        assert (defect.where, defect.error) == ("observer Broken", "KeyError('Trimmed')")
        assert "in notify" in defect.traceback
        assert len(notes.facts) == 2


def test_the_only_observer_hears_what_it_failed_at() -> None:
    """A log that cannot write one fact down still says so."""

    class Log(Notes):
        def notify(self, fact: Fact) -> None:
            if isinstance(fact, Trimmed):
                raise KeyError("no such text")
            super().notify(fact)

    log = Log()
    Observers([log]).notify(Trimmed(3))
    (defect,) = log.facts
    assert isinstance(defect, DefectSeen)
    assert (defect.where, defect.error) == ("observer Log", "KeyError('no such text')")


def test_failing_observers_do_not_answer_one_another() -> None:
    """Two that fail at everything are two failures a fact, and no loop."""
    notes = Notes()
    observers = Observers([Broken(), Broken(), notes])
    observers.notify(StoreRecovered())
    assert failures(observers) == 2
    assert len(notes.facts) == 3


def test_nobody_need_observe() -> None:
    """No observer is an observer, too."""
    observers = Observers([])
    observers.notify(StoreRecovered())
    assert failures(observers) == 0
