"""The dialog that saves a query: what it offers, what it keeps, and that nothing is overwritten unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from custdyn_widgets import settings
from custdyn_widgets.saved_queries import folders as saved_queries
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.widgets.save_dialog import SaveDialog
from tests.at_the_dialog import FIXED, OCTOBER, RELATIVE, Person

CHART = {"preset": "Clients - Active: Qty"}


def kept() -> list[str]:
    return [entry.title for entry in saved_queries.listing() if entry.saved]


def test_it_is_closed_until_it_is_opened_and_has_the_class_that_styles_it() -> None:
    dialog = SaveDialog()
    assert not dialog.is_open
    assert "custdyn-dialog" in dialog.widget._dom_classes


def test_what_was_typed_is_saved_and_told_and_the_dialog_closes() -> None:
    person = Person(chart=CHART)
    person.save("  Tokyo  ", description=" For the board. ", place="shared", output="csv", chart="now")
    [stored] = person.saved
    assert stored.saved == SavedQuery("Tokyo", RELATIVE, "For the board.", "csv", CHART)
    assert (stored.place, stored.name) == ("shared", "tokyo")
    assert saved_queries.load("tokyo") == stored
    assert not person.dialog.is_open


def test_the_total_is_asked_for_with_a_csv_and_kept_when_the_query_is_loaded() -> None:
    person = Person()
    person.save("Asked", output="csv", total="yes")
    again = Person.after_loading(person.saved[0])
    assert again.fields["total"] == "yes"
    again.save("As a sheet", output="xlsx")
    new = Person()
    new.save("Not asked", output="csv-excel")
    assert [one.saved[0].saved.total for one in (person, again, new)] == [True, False, False]


def test_a_preset_is_offered_as_it_is_and_as_the_period_that_it_means_now() -> None:
    person = Person(RELATIVE)
    assert person.offered("intervals") == ["relative", "fixed"]
    assert "2021-10-01 00:00:00 to 2021-10-31 23:59:59 (Asia/Tokyo)" in person.dialog.widget.intervals[1][1]
    person.save("Relative")
    assert person.saved[0].saved.query.interval == "last_month"
    again = Person(RELATIVE)
    again.save("Fixed", interval="fixed")
    assert again.saved[0].saved.query.interval == OCTOBER


def test_a_period_is_fixed_and_nothing_else_is_offered() -> None:
    person = Person(FIXED)
    assert person.offered("intervals") == ["fixed"]
    person.save("October", interval="relative")
    assert person.saved[0].saved.query == FIXED


def test_a_chart_is_offered_only_when_one_is_shown_and_can_be_left_out() -> None:
    assert Person().offered("charts") == ["none"]
    person = Person(chart=CHART)
    assert person.dialog.widget.charts[0] == ["now", "The chart shown now: Clients - Active: Qty"]
    person.save("Without", chart="none")
    assert person.saved[0].saved.chart is None


def test_an_own_chart_is_named_by_its_title_or_its_columns() -> None:
    own = {"x": None, "y": ["A: B", "C: D"], "mark": "bar", "second_axis": [], "title": None}
    assert Person(chart=own).dialog.widget.charts[0][1].endswith(": A: B, C: D")
    assert Person(chart={**own, "title": "Mine"}).dialog.widget.charts[0][1].endswith(": Mine")


@pytest.mark.parametrize(
    ("typed", "words", "field"),
    [
        ({"title": "  "}, "Enter a title", "title"),
        ({"title": "x" * 201}, "is longer than 200 characters", "title"),
        ({"title": "a\x1bb"}, "contains a control character", "title"),
        ({"title": "ok", "description": "y" * 2001}, "is longer than 2,000 characters", "description"),
        ({"title": "ok", "output": "docx"}, "'docx' is not an allowed value", "output"),
    ],
)
def test_an_error_is_told_beside_its_field_and_what_was_typed_stays(
    typed: dict[str, str], words: str, field: str
) -> None:
    person = Person()
    person.do("save", **typed)
    assert words in person.error
    assert person.dialog.widget.error[1] == field
    assert person.dialog.is_open
    assert person.dialog.widget.fields["title"] == typed["title"]
    assert (person.saved, kept()) == ([], [])


def test_the_same_error_twice_is_told_twice() -> None:
    person = Person()
    person.save("")
    first = list(person.dialog.widget.error)
    person.save("")
    assert person.dialog.widget.error != first
    assert person.dialog.widget.error[:2] == first[:2]


def test_a_folder_that_takes_nothing_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("not a folder")
    person = Person()
    person.save("Shared", place="shared")
    assert "The folder for the shared saved queries (CUSTDYN_QUERIES) cannot be written to" in person.error
    assert str(tmp_path) not in person.error
    person.save("Shared", place="mine")
    assert person.saved[0].place == "mine"


def test_overwriting_asks_and_keep_leaves_everything_as_it_was() -> None:
    Person().save("Taken")
    person = Person(FIXED)
    person.save("Taken")
    assert person.question == [
        "A saved query with this name already exists: 'Taken'. Overwrite it?", "Overwrite", "Keep",
    ]  # fmt: skip
    person.do("keep")
    assert (person.question, person.dialog.is_open, person.saved) == ([], True, [])
    assert saved_queries.load("taken").saved.query == RELATIVE
    person.do("overwrite")  # there is no question any more
    assert saved_queries.load("taken").saved.query == RELATIVE
    person.save("Another")
    assert kept() == ["Another", "Taken"]


def test_overwriting_when_asked_to_puts_the_new_one_in_its_place() -> None:
    Person().save("Taken")
    person = Person(FIXED)
    person.save("Taken")
    person.do("overwrite")
    assert saved_queries.load("taken").saved.query == FIXED
    assert (len(person.saved), person.dialog.is_open) == (1, False)


def test_an_edit_by_somebody_else_in_between_is_told_and_can_be_overwritten_knowingly() -> None:
    Person().save("Taken")
    person = Person(FIXED)
    person.save("Taken")
    other = SavedQuery("Taken", RELATIVE, "by somebody else")
    saved_queries.save(other, "mine", over=saved_queries.load("taken").revision)
    person.do("overwrite")
    words, yes, no = person.question
    assert words == "Someone else has changed this saved query in the meantime. Nothing was overwritten."
    assert (yes, no) == ("Overwrite anyway", "Cancel")
    assert saved_queries.load("taken").saved == other
    person.do("overwrite")
    assert saved_queries.load("taken").saved.query == FIXED


def test_a_deletion_by_somebody_else_in_between_is_told_too() -> None:
    Person().save("Taken")
    person = Person(FIXED)
    person.save("Taken")
    saved_queries.delete("taken")
    person.do("overwrite")
    assert person.question[:2] == [
        "Someone else has deleted this saved query in the meantime. Nothing was overwritten.", "Save anyway",
    ]  # fmt: skip
    person.do("overwrite")
    assert saved_queries.load("taken").saved.query == FIXED


def test_cancel_saves_nothing_and_opening_again_starts_empty() -> None:
    person = Person()
    person.save("")
    person.do("cancel", title="Half a thou")
    assert not person.dialog.is_open
    person.do("save", title="After the end")
    assert kept() == []
    person.dialog.open(FIXED, OCTOBER, "xlsx", None)
    assert (person.dialog.widget.fields["title"], person.dialog.widget.fields["output"]) == ("", "xlsx")
    assert (person.error, person.question, person.dialog.is_open) == ("", [], True)


def test_a_second_click_on_save_saves_nothing_more() -> None:
    person = Person()
    person.save("Once")
    person.save("Once")
    assert len(person.saved) == 1


def test_a_message_that_is_none_of_the_dialogs_is_passed_over() -> None:
    person = Person()
    for message in (None, "save", ["save"], {"do": "format the disk"}, {"do": ["save"]}):
        person.dialog.widget._handle_custom_msg(message, [])
    person.dialog.widget._handle_custom_msg({"do": "save", "fields": 1}, [])
    assert person.dialog.is_open
    assert kept() == []


def test_names_in_charts_and_titles_are_shown_as_text_on_one_line(tmp_path: Path) -> None:
    hostile = {"y": ["<b>\u202eevil\n"], "mark": "bar"}
    assert Person(chart=hostile).dialog.widget.charts[0][1].endswith("<b>\N{REPLACEMENT CHARACTER}evil ")
    Person().save("<script>")
    person = Person()
    person.save("<script>")
    assert "'<script>'" in person.question[0]
    assert settings.load().my_queries == tmp_path / "mine"
