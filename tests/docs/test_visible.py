"""The demo page and the dashboard read at first sight, too: they are what everybody sees first."""

from __future__ import annotations

import pytest
from tests.docs.test_spoken import faults
from tests.docs.visible import pages, visible

PAGES = pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_of_the_hub_reads_at_first_sight(name: str) -> None:
    """No text has a sentence over 30 words or takes one of the turns of pages and of short lines."""
    assert {text: found for text in visible(name, PAGES[name]) if (found := faults(text))} == {}


def test_the_texts_of_the_pages_are_found() -> None:
    """A collector that finds nothing would pass every rule."""
    found = [text for name, source in PAGES.items() for text in visible(name, source)]
    assert {"demo.html", "dashboard/index.html", "demo/words.js", "dashboard/pages/letters.js"} < PAGES.keys()
    assert len(found) > 300


def test_only_what_is_seen_is_found() -> None:
    """Text goes on through elements of a line; comments, scripts and regular expressions are not seen."""
    page = """<p>Cut a <b>connection</b> now. <button aria-label="Kill the hub">Kill</button></p>
<!-- not this one --><script>not this either</script><meta name="description" content="A page to try">"""
    assert visible("page.html", page) == ["Cut a connection now.", "Kill the hub", "A page to try"]
    module = r"""
// Whoever reads this
const found = text.match(/"not this one"|[/"] or this/g); /* nor "this one" */
say("It is \"here\" now", 'and one more', `${count} come${count ? ` in ${count} s, "and so on"` : ""} ${{ a: "b c" }.a} to you`);
"""
    assert visible("page.js", module) == [
        'It is "here" now', "and one more", "CODE comeCODE CODE to you", ' in CODE s, "and so on"',
    ]  # fmt: skip
