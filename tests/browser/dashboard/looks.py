"""What can be measured of looks: axe-core's rules, the width of a window, the size of what a finger should hit."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from playwright.async_api import Page

AXE = Path(__file__).parent.parent.parent / "clients" / "node_modules" / "axe-core" / "axe.min.js"
#: Which violations fail: of four kinds, the upper two.
SERIOUS = ("serious", "critical")
#: WCAG 2.2, 2.5.8: the least side of a target, where it is not a link within a sentence.
TARGET_PX_MIN = 24

_RUN = """async (serious) => {
  const { violations, passes } = await axe.run(document, { resultTypes: ["violations"] });
  const found = violations.filter(({ impact }) => serious.includes(impact));
  return [passes.length, found.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`))];
}"""

_SMALL = """(least) => [...document.querySelectorAll("button, select, textarea, input, nav a")]
  .filter((control) => control.checkVisibility() && control.type !== "checkbox")
  .filter((control) => { const box = control.getBoundingClientRect(); return Math.min(box.width, box.height) < least; })
  .map((control) => control.outerHTML.slice(0, 200))"""


@cache
def axe() -> str:
    """The checker's own code."""
    return AXE.read_text()


async def serious(page: Page) -> list[str]:
    """What axe-core calls a serious or critical violation, in the page as it is now."""
    if not await page.evaluate("typeof window.axe !== 'undefined'"):
        await page.evaluate(axe())
    passed, found = await page.evaluate(_RUN, list(SERIOUS))
    assert passed > 10, "the checker looked at something"
    return [str(each) for each in found]


async def complaints_of(page: Page) -> list[str]:
    """All of it."""
    found = await serious(page)
    wide = await page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
    if wide > 0:
        found.append(f"{wide} px wider than the window")
    return found + [f"small: {each}" for each in await page.evaluate(_SMALL, TARGET_PX_MIN)]
