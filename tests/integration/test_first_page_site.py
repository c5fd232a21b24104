"""The landing page in a real browser, over canned evidence and under the gateway's headers: what it says, and how."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from production_ops.first_page.core.health import Health
from tests.fakes import canned_page
from tests.fakes.browser import Page, open_browser
from tests.fakes.canned_page import CannedPage, said

pytestmark = [pytest.mark.browser, pytest.mark.integration]

LAPTOP, PHONE = 1280, 390
STEPS = ("path", "shelf", "runs", "gate", "ledger")
READY = "document.querySelectorAll('.said').length === 5 && document.querySelector('#summary').dataset.tone !== 'quiet'"
LEAST_CONTRAST = 4.5
# Of every text its contrast with the first ground behind it, by WCAG's formula; a button that is disabled is exempt.
CONTRASTS = """
(() => {
  const rgb = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return text.startsWith("color(") ? [r * 255, g * 255, b * 255, a] : [r, g, b, a]; };
  const linear = (v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map((v) => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const over = ([r, g, b, a], below) => [r, g, b].map((v, i) => v * a + below[i] * (1 - a));
  const ground = (e) => { if (!e) return [255, 255, 255]; const c = rgb(getComputedStyle(e).backgroundColor);
    return c[3] === 1 ? c.slice(0, 3) : over(c, ground(e.parentElement)); };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !e.checkVisibility()) continue;
    if (e.closest("button:disabled, noscript, .skip")) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    found.push([(a + .05) / (b + .05), walker.currentNode.data.trim().slice(0, 40)]);
  }
  return found;
})()
"""


COVERED = """[...document.querySelectorAll('.steps > li')].filter((step) => {
  const shown = step.querySelector('.evidence').getBoundingClientRect();
  return [...step.querySelectorAll('.about *')].map((told) => told.getBoundingClientRect()).some((told) =>
    told.right > shown.left && told.left < shown.right && told.bottom > shown.top && told.top < shown.bottom);
}).map((step) => step.id)"""
"""Steps whose description lies on their evidence."""


OUTSIDE = """
(() => {
  const edge = document.querySelector("section").getBoundingClientRect().right + .5;
  return [...document.querySelectorAll("main *:not(pre *, .scroll *, noscript)")]
    .filter((e) => e.getBoundingClientRect().right > edge).map((e) => e.outerHTML.slice(0, 80));
})()
"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_browser(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def canned() -> Iterator[CannedPage]:
    with canned_page.canned_page() as page:
        yield page


def show(tab: Page, canned: CannedPage, *, width: int = LAPTOP, dark: bool = False, **changed: Any) -> Page:
    """The page as it is once everything has been asked."""
    canned.answers.update(changed)
    tab.show_as(width, dark=dark)
    tab.open(canned.url)
    tab.wait(READY)
    return tab


def word_of(tab: Page, step: str) -> str:
    return tab.text(f"#{step} .said b")


def test_a_stack_that_is_well_is_shown_with_all_its_evidence(tab: Page, canned: CannedPage) -> None:
    show(tab, canned, shelf=canned_page.shelf())

    assert tab.text("#summary") == "9 of 9 services healthy"
    assert word_of(tab, "gate") == "Version 3 passed"
    assert tab.text("#ledger .said span") == "200 events judged, none lost, none doubled; 6 wait."
    assert word_of(tab, "shelf") == "Moved"
    assert word_of(tab, "runs") == "Live"
    assert "4 ms" in tab.text("#path li:nth-child(2)")
    assert tab.value("document.querySelector('[data-door=mlflow] a').href").endswith(":5000/")
    assert tab.value("document.querySelectorAll('.unless-streaming').values().every((e) => !e.checkVisibility())")
    assert tab.complaints == []


def test_the_core_alone_says_what_is_not_started_and_how_it_is(tab: Page, canned: CannedPage) -> None:
    show(
        tab, canned, health=canned_page.core_alone(), path=canned_page.path(streaming=False),
        ledger=canned_page.books(in_the_lake=False),
        runs=said("not_started", "The part batch is not started.", "make up PROFILE=batch"),
    )  # fmt: skip

    assert "not started" in tab.text(".part[data-name=streaming]")
    assert "make up PROFILE=streaming" in tab.text(".part[data-name=streaming]")
    assert word_of(tab, "path") == "In part"
    assert "make up PROFILE=streaming" in tab.text("#path .evidence")
    assert (word_of(tab, "ledger"), word_of(tab, "runs")) == ("Not judged", "Not started")
    assert tab.value("document.querySelector('#visit').disabled")
    assert tab.value("document.querySelector('[data-door=airflow] a').hasAttribute('href')") is False


@pytest.mark.parametrize(
    ("changed", "step", "word"),
    [
        ({"gate": canned_page.verdict("refused: NDCG@10 is 1.020x", 1.02)}, "gate", "Version 3 was refused"),
        ({"ledger": canned_page.books(lost=2)}, "ledger", "Does not balance"),
        ({"ledger": said("empty", "Kafka holds no event of the shop yet.")}, "ledger", "Nothing yet"),
        ({"shelf": canned_page.shelf(None)}, "shelf", "Did not move"),
        ({"runs": canned_page.runs("failed")}, "runs", "A run failed"),
        ({"path": said("failed", "Kafka at kafka:9092 does not answer.", "Start it.")}, "path", "Failed"),
        ({"path": said("pending", "It is being looked for.")}, "path", "Looking…"),
        ({"gate": 502}, "gate", "Failed"),
    ],
)
def test_what_is_broken_is_never_called_well(
    tab: Page, canned: CannedPage, changed: dict[str, Any], step: str, word: str
) -> None:
    show(tab, canned, **changed)

    assert word_of(tab, step) == word
    assert tab.value(f"document.querySelector('#{step} .said').dataset.tone") != "good"


def test_a_service_that_goes_down_while_one_looks_is_told(tab: Page, canned: CannedPage) -> None:
    show(tab, canned)
    canned.answers["health"] = canned_page.parts(redis=Health.DOWN)
    canned.answers["gate"] = 502

    tab.wait("document.querySelector('#summary').innerText === 'Not healthy: redis'", 15)
    assert "redis: down" in tab.text(".part[data-name=core]")


def test_evidence_that_cannot_be_asked_for_any_more_does_not_stay(tab: Page, canned: CannedPage) -> None:
    show(tab, canned)
    canned.answers["runs"] = 502

    tab.wait("document.querySelector('#runs .said b').innerText === 'Failed'", 20)
    assert "etl_clickstream" not in tab.text("#runs .evidence")


def test_the_button_is_reached_by_keyboard_and_its_visit_is_watched(tab: Page, canned: CannedPage) -> None:
    show(tab, canned)
    tab.value("document.querySelector('#visit').focus()")
    canned.answers["shelf"] = canned_page.shelf()
    tab.press("Enter")

    tab.wait("document.querySelector('#shelf .said b').innerText === 'Moved'")
    assert [post["Origin"] for post in canned.posted] == [canned.url.rstrip("/")]


def test_a_name_in_the_data_is_text(tab: Page, canned: CannedPage) -> None:
    shelf = canned_page.shelf()
    shelf["data"]["after"][0]["name"] = "<img src=x onerror=alert(1)>"
    show(tab, canned, shelf=shelf)

    assert "<img src=x" in tab.text("#shelf .evidence").lower()
    assert tab.value("document.querySelector('#shelf img')") is None


@pytest.mark.parametrize("width", [LAPTOP, PHONE])
@pytest.mark.parametrize("dark", [False, True])
def test_s19_it_fits_can_be_read_and_asks_nobody_else(tab: Page, canned: CannedPage, width: int, *, dark: bool) -> None:
    show(tab, canned, width=width, dark=dark, shelf=canned_page.shelf(), health=canned_page.core_alone())

    assert tab.value("document.documentElement.scrollWidth") == width
    assert tab.value(OUTSIDE) == []
    assert tab.value(COVERED) == []
    assert [(round(ratio, 2), text) for ratio, text in tab.value(CONTRASTS) if ratio < LEAST_CONTRAST] == []
    asked = tab.value("performance.getEntriesByType('resource').map((e) => new URL(e.name).origin)")
    assert set(asked) == {canned.url.rstrip("/")}


def test_it_has_landmarks_one_title_headings_in_order_and_a_live_summary(tab: Page, canned: CannedPage) -> None:
    show(tab, canned)
    levels = tab.value("[...document.querySelectorAll('h1, h2, h3, h4')].map((e) => Number(e.tagName[1]))")

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert tab.value(
        "['header', 'main', 'footer', '[aria-live=polite]', 'html[lang]'].every((s) => document.querySelector(s))"
    )
    tab.press("Tab")
    assert tab.value("document.activeElement.className") == "skip"


def test_a_policy_that_is_broken_would_be_heard(tab: Page, canned: CannedPage) -> None:
    show(tab, canned)
    tab.value("document.body.append(Object.assign(document.createElement('img'), {src: 'http://127.0.0.1:9/x.png'}))")

    assert tab.hears("Content Security Policy")
