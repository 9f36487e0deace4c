"""Letters in Chromium as mail readers draw them: light, dark, on a telephone, their style sheet dropped."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, Page

from custdyn_widgets.mail.message import Letter, Picture
from custdyn_widgets.render.charts.drawing import chart_png, report_charts
from tests.browser.axe import faults
from tests.mail.test_letters import FAILURE, LETTER, LINK, bodies, hostile, sent
from tests.make_report import make_report
from tests.payloads import PAYLOADS

pytestmark = pytest.mark.browser
ALL = " | ".join(PAYLOADS)
LARGE = make_report(3)
assert LARGE.total is not None
LARGE = replace(
    LARGE,
    total=replace(
        LARGE.total,
        values=tuple(
            v if c.unit == "count" else Decimal("-987654321098765.123456")
            for v, c in zip(LARGE.total.values, LARGE.columns, strict=True)
        ),
    ),
)
LETTERS: dict[str, Letter] = {
    "report": replace(LETTER, notes=("This is a later run for 2022-12-01, on the data as it is now.",)),
    "large": replace(LETTER, title="Everything there is, by month and package, for the board", report=LARGE),
    "failure": replace(FAILURE, log=tuple(f"line {i} of the log" * 9 for i in range(30))),
    "hostile": hostile(ALL),
    "hostile failure": replace(FAILURE, title=ALL, problem=ALL, facts=((ALL, ALL),), log=PAYLOADS[:30]),
}


@pytest.fixture
def said() -> list[str]:
    return []


def drawn(
    browser: Browser, name: str, said: list[str], width: int, scheme: str, *, styled: bool = True
) -> Page:
    """Open the HTML part of a message; `said` gets whatever it runs or asks for."""
    html = bodies(sent(LETTERS[name])[1])[1]
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: said.append(request.url))
    page.set_content(html if styled else re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL))
    return page


@pytest.mark.parametrize("name", LETTERS)
def test_a_letter_fits_asks_nothing_runs_nothing_and_can_be_read(
    chromium: Browser, said: list[str], name: str
) -> None:
    page = drawn(chromium, name, said, 800, "light")
    assert page.evaluate("document.querySelectorAll('script, img, iframe').length") == 0
    assert {a.get_attribute("href") for a in page.locator("a").all()} <= {LINK}
    for width in (800, 375):
        page.set_viewport_size({"width": width, "height": 800})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert page.evaluate("document.documentElement.scrollWidth") <= width, scheme
            assert faults(page) == [], (width, scheme)
    assert page.evaluate("window.pwned") is None
    assert said == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_reader_that_drops_styles_still_shows_ink_on_paper(
    chromium: Browser, said: list[str], scheme: str
) -> None:
    page = drawn(chromium, "report", said, 375, scheme, styled=False)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    for place, colour in (("h1", "rgb(28, 33, 39)"), (".soft >> nth=0", "rgb(86, 93, 102)")):
        assert page.locator(place).evaluate("e => getComputedStyle(e).color") == colour
    assert page.locator(".card").evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(255, 255, 255)"
    page.close()


@pytest.mark.parametrize("styled", [True, False])
@pytest.mark.parametrize("name", ["report", "large"])
def test_no_figure_is_broken_within_its_number(
    chromium: Browser, said: list[str], name: str, styled: bool
) -> None:
    page = drawn(chromium, name, said, 375, "light", styled=styled)
    edge = page.locator(".card").evaluate("e => e.getBoundingClientRect().right")
    for figure in page.locator("td > strong").all():
        assert figure.evaluate("e => e.getClientRects().length") == 1
        right, cell = figure.evaluate(
            "e => [e.getBoundingClientRect().right, e.parentNode.getBoundingClientRect().right]"
        )
        assert right <= cell <= edge
        assert figure.evaluate("e => parseFloat(getComputedStyle(e).fontSize)") >= 13
    page.close()


def test_a_telephone_shows_each_label_of_info_above_its_text_and_figures_side_by_side(
    chromium: Browser, said: list[str]
) -> None:
    page = drawn(chromium, "report", said, 375, "light")
    label, fact = page.locator(".label").first.bounding_box(), page.locator(".fact").first.bounding_box()
    assert label
    assert fact
    assert fact["y"] >= label["y"] + label["height"]
    first, second = (page.locator("strong").nth(i).bounding_box() for i in (0, 1))
    assert first
    assert second
    assert first["y"] == second["y"]
    page.close()


@pytest.mark.parametrize(("width", "scheme"), [(800, "light"), (375, "dark")])
def test_charts_fit_the_letter_and_have_words(chromium: Browser, width: int, scheme: str) -> None:
    report = make_report()
    [(title, svg), *_] = report_charts(report).items()
    picture = Picture("chart-1", f"Chart: {title} <b>", chart_png(svg))
    letter = replace(LETTER, pictures=(picture,), opening="Dear board,", earlier=(("For Monday", LINK),) * 3)
    html = bodies(sent(letter)[1])[1]
    data = f"data:image/png;base64,{base64.b64encode(picture.data).decode()}"
    page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.set_content(html.replace(f"cid:{picture.content_id}", data))
    image = page.get_by_alt_text(picture.alternative, exact=True)
    natural, shown = image.evaluate("e => [e.naturalWidth, e.getBoundingClientRect().width]")
    assert natural >= 800
    assert width / 2 < shown <= min(width, 582)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert faults(page) == []
    page.close()
