"""An author's cells on a page: which parts are shown, and that all of them are inert."""

from __future__ import annotations

import base64
from typing import Any

import nbformat.v4 as v4
import pandas as pd
import pytest

from custdyn_widgets.notebook.author_cells import author_sections, prose_html, table_html
from custdyn_widgets.notebook.run import _CurrentCell

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)></svg>"


def code(*outputs: Any, tags: tuple[str, ...] = ()) -> Any:
    return v4.new_code_cell("secret = 'hunter2'", outputs=list(outputs), metadata={"tags": list(tags)})


def display(**forms: Any) -> Any:
    return v4.new_output("display_data", {kind.replace("_", "/", 1): form for kind, form in forms.items()})


def sections(*cells: Any) -> list[tuple[str, str]]:
    return [(s.kind, s.content) for s in author_sections(v4.new_notebook(cells=list(cells)))]


def test_cells_keep_their_order_around_the_report_and_code_is_not_shown() -> None:
    found = sections(
        v4.new_markdown_cell("for the editor", metadata={"tags": ["remove-cell"]}),
        code(tags=("parameters",)),
        v4.new_markdown_cell("Before *it*"),
        code(display(**{"text_html": "<table>"}), tags=("report",)),
        code(v4.new_output("stream", name="stdout", text="after\n")),
    )
    assert found == [("html", "<p>Before <em>it</em></p>\n"), ("report", ""), ("text", "after")]


def test_a_notebook_without_own_cells_gives_no_sections() -> None:
    assert sections(code(tags=("parameters",)), code(tags=("report",)), code()) == []


def test_the_report_is_first_if_no_cell_is_tagged_report() -> None:
    assert [kind for kind, _ in sections(v4.new_markdown_cell("words"))] == ["report", "html"]


@pytest.mark.parametrize(
    "markdown",
    [
        HOSTILE,
        "<div onclick='x'>\n\n<style>p{}</style>\n\n<iframe src='https://e.example'></iframe>",
        "[a](javascript:alert(1)) [b](data:text/html,x) <javascript:alert(1)> [c][d]\n\n[d]: javascript:x",
        "![x](https://e.example/pixel.png) ![y](attachment:none.png) ![z](data:image/svg+xml,<svg/onload=x>)",
        '[t](https://e.example "x\\" onmouseover=alert(1)")',
        '![" onerror="x](https://e.example)\n\n![a](x.png "\\" onload=x")',
        "| a<script> | b |\n|-|-|\n| <img src=x onerror=y> | `<script>` |",
        '```html onload=x"><script>\n<script>alert(1)</script>\n```',
    ],
)
def test_hostile_markdown_becomes_text(markdown: str) -> None:
    html = prose_html(markdown)
    tags = {
        t.split()[0].strip("/")
        for t in html.replace("<", "\0<").split("\0")[1:]
        for t in [t[1:].split(">")[0]]
    }
    assert tags <= {"p", "table", "thead", "tbody", "tr", "th", "td", "code", "pre"}
    for tag in html.split("<")[1:]:
        assert "=" not in tag.split(">")[0]


def test_a_link_becomes_text_with_its_address() -> None:
    assert prose_html("[the plan](https://e.example/a?b=1&c)") == (
        "<p>the plan (https://e.example/a?b=1&amp;c)</p>\n"
    )


def test_comments_are_removed() -> None:
    assert prose_html("<!-- for me -->\n\n# Why <!-- not --> now") == "<h1>Why  now</h1>\n"


def test_a_png_attached_to_the_cell_is_shown_with_its_description() -> None:
    html = prose_html('![a "b"](attachment:a.png)', {"a.png": {"image/png": PNG}})
    assert f'src="data:image/png;base64,{PNG}"' in html
    assert 'alt="a &quot;b&quot;"' in html


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ("my%20pic.png", "my pic.png"),
        ("<my pic.png>", "my pic.png"),
        ("%D0%B7%D0%B2%D1%96%D1%82.png", "звіт.png"),
        ("звіт.png", "звіт.png"),
        ("100%25.png", "100%.png"),
        ("été.png", "été.png"),
    ],
)
def test_an_attached_png_is_found_however_its_name_is_written(link: str, name: str) -> None:
    link = f"<attachment:{link[1:]}" if link.startswith("<") else f"attachment:{link}"
    html = prose_html(f"![x]({link})", {name: {"image/png": PNG}})
    assert f'src="data:image/png;base64,{PNG}"' in html


def test_characters_that_a_page_cannot_hold_are_replaced() -> None:
    assert prose_html("a\ud800b\ufffec\x00d") == "<p>a\ufffdb\ufffdc\ufffdd</p>\n"
    stream = v4.new_output("stream", name="stdout", text="\x1b[31mred\x1b[0m \ud800\n")
    assert ("text", "red \ufffd") in sections(code(stream))


def test_a_data_frame_keeps_only_its_cells() -> None:
    frame = pd.DataFrame({"name": [HOSTILE], "n": [1]})
    html = table_html(frame._repr_html_())
    assert html is not None
    assert "&lt;script&gt;" in html
    assert "<td>1</td>" in html
    assert not any(word in html for word in ("<script", "<style", "<img", "style=", "class=", "border="))


def test_a_cell_keeps_no_attribute_but_its_spans() -> None:
    cell = '<td title="a" lang="b" id="c" class="d" style="e" onclick="f" colspan="2">x</td>'
    table = table_html(f'<table class="dataframe" title="t"><tbody><tr>{cell}</tr></tbody></table>')
    assert table == '<table><tbody><tr><td colspan="2">x</td></tr></tbody></table>'


def test_a_data_frame_that_a_cell_shows_is_a_table() -> None:
    frame = pd.DataFrame({"n": [1]})
    shown = code(display(text_html=frame._repr_html_(), text_plain=repr(frame)))
    assert ("html", table_html(frame._repr_html_())) in sections(shown)


@pytest.mark.parametrize(
    ("html", "is_deep"),
    [
        ("<b>" * 200 + "x" + "</b>" * 200, False),
        ("<b>" * 201 + "x" + "</b>" * 201, True),
        ("<b>" * 201, True),
        ("<b></b>" * 300, False),
        ("<b></i>" * 201, True),  # ends of what is not open
        ("</b>" * 300 + "<b>" * 200, False),
        ("<b><i>" * 100 + "</i></b>" * 100 + "<b>" * 200, False),
        ("<b><i>" * 100 + "</i></b>" * 99 + "<b>" * 199, True),
    ],
)
def test_html_is_shown_unless_it_nests_too_deeply(html: str, is_deep: bool) -> None:
    [_, (kind, note)] = sections(code(display(text_html=html, text_plain="x")))
    assert kind == "note"
    assert ("HTML that is nested too deeply" in note) == is_deep


def test_a_note_replaces_other_markup() -> None:
    for html in ("<b>bold</b>", "<table><tr><td>x</td></tr></table>"):
        [_, (kind, note)] = sections(
            code(display(text_html=html, text_plain="<IPython.core.display.HTML object>"))
        )
        assert kind == "note"
        assert "not shown here" in note.lower()


def test_pictures_stay_pictures_and_a_note_replaces_a_false_one() -> None:
    svg = "<svg xmlns='http://www.w3.org/2000/svg'/>"
    found = sections(
        code(display(image_png=PNG, text_plain="<Figure>")),
        code(display(**{"image_svg+xml": [svg]})),
        code(display(image_png=base64.b64encode(b"GIF89a").decode())),
    )
    assert found[1:3] == [("png", PNG), ("svg", svg)]
    assert found[3][0] == "note"


def test_a_note_replaces_other_outputs() -> None:
    widget = display(**{"application_vnd.jupyter.widget-view+json": {"model_id": "x"}, "text_plain": "Box()"})
    error = v4.new_output("error", ename="ValueError", evalue="hunter2", traceback=["hunter2"])
    stderr = v4.new_output("stream", name="stderr", text="hunter2")
    found = sections(code(widget, error, stderr))
    assert [kind for kind, _ in found] == ["report", "note", "note", "note"]
    assert "hunter2" not in str(found)


def test_long_text_is_cut_with_a_note() -> None:
    [_, (_, text)] = sections(code(v4.new_output("stream", name="stdout", text="x" * 30_000)))
    assert len(text) < 20_100
    assert "10,000 more characters" in text
    whole = "x" * 20_000
    assert sections(code(v4.new_output("stream", name="stdout", text=whole)))[1] == ("text", whole)


def test_code_cells_of_the_template_are_counted_as_they_start() -> None:
    said: list[str] = []
    current = _CurrentCell("board", 2, said.append)
    assert not current.has_started
    for cell in (code(tags=("injected-parameters",)), v4.new_markdown_cell("x")):
        current.enter(cell)
    assert (said, current.has_started) == ([], False)
    current.enter(code(tags=("parameters",)))
    current.enter(code())
    assert said == ["Code cell 1 of 2", "Code cell 2 of 2"]
    assert current.has_started
