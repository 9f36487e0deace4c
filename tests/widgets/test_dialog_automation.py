"""What the dialog asks of runs without a person: nothing of it is lost, and nothing taken away unsaid."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.mart.sources import Source
from custdyn_widgets.saved_queries import folders as saved_queries
from custdyn_widgets.saved_queries.automation import ONLY_IF, ForEach, Retention
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.saved_queries.folders import Place, Stored
from custdyn_widgets.saved_queries.schedule.schedule import Schedule
from custdyn_widgets.widgets.dialog_automation import hidden_values
from tests.at_the_dialog import FIXED, RELATIVE, Person
from tests.saved_queries.test_saved_queries import saved as plain_queries

SMALL = Path(__file__).parents[1] / "golden" / "small" / "mart"


AT_SIX = {"schedule.cron": "0 6 1 * *"}
ON_ITS_OWN = SavedQuery(
    "Monthly",
    RELATIVE,
    output="csv",
    source="shop",
    schedule=Schedule("0 6 1 * *", "Europe/Paris"),
    recipients=("a@example.com", "b@example.com"),
    failure_recipients=("ops@example.com",),
    retention=Retention(keep_last=12),
    only_if=("changed",),
)


def test_a_schedule_is_on_the_clock_of_the_query_and_asks_what_the_form_asks() -> None:
    person = Person(source=SMALL)
    person.save("Monthly", **AT_SIX)
    [stored] = person.saved
    assert stored.saved.schedule == Schedule("0 6 1 * *", "Asia/Tokyo")
    assert stored.saved.source == str(SMALL)
    of_the_demo = Person()
    of_the_demo.save("Demo", **AT_SIX, **{"schedule.timezone": " Europe/Paris "})
    assert of_the_demo.saved[0].saved.schedule == Schedule("0 6 1 * *", "Europe/Paris")
    assert of_the_demo.saved[0].saved.source == "demo"


def test_a_relative_path_is_kept_as_the_one_that_it_means_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SMALL.parent)
    person = Person(source="mart")
    person.save("Monthly", **AT_SIX)
    assert person.saved[0].saved.source == str(SMALL)


@pytest.mark.parametrize("source", [{"clients": None}, Source({"clients": None})])
def test_data_of_the_notebook_alone_cannot_be_scheduled(source: Any) -> None:
    person = Person(source=source)
    person.save("Monthly", **AT_SIX)
    assert "exists only in this notebook" in person.error
    assert person.wrong == "schedule.cron"
    person.save("Monthly", **{"schedule.cron": ""})
    assert person.saved[0].saved.schedule is None


@pytest.mark.parametrize("source", [Source(SMALL), Source(str(SMALL), on_fault="quarantine")])
def test_a_source_with_a_path_has_to_be_named_to_be_scheduled(source: Source) -> None:
    person = Person(source=source)
    person.save("Monthly", **AT_SIX)
    assert "only in this notebook" not in person.error
    assert "Define this source in sources.toml" in person.error
    assert person.wrong == "schedule.cron"


def test_addresses_are_separated_by_whatever_people_put_between() -> None:
    person = Person()
    typed = " a@example.com, b@example.com;c@example.com\nd@example.com "
    person.save("Sent", output="xlsx", recipients=typed)
    expected = tuple(f"{letter}@example.com" for letter in "abcd")
    assert person.saved[0].saved.recipients == expected


def test_a_table_is_sent_to_nobody() -> None:
    person = Person()
    person.save("Table", output="web", recipients="a@example.com")
    assert person.saved[0].saved.recipients == ()


@pytest.mark.parametrize(
    ("typed", "words", "field"),
    [
        ({"schedule.cron": "every day"}, "has 2 fields, but cron needs five", "schedule.cron"),
        (
            {**AT_SIX, "schedule.timezone": "Europe/Pari"},
            "Did you mean 'Europe/Paris'",
            "schedule.timezone",
        ),
        ({"recipients": "Anna <a@example.com>"}, "not a plain email address", "recipients"),
        ({"recipients": "a@example.com a@example.com"}, "is listed twice", "recipients"),
        ({"failure_recipients": "Eva"}, "not a plain email address", "failure_recipients"),
        (
            {"failure_recipients": "<img src=x>@example.com"},
            "not a plain email address",
            "failure_recipients",
        ),
        ({"retention.keep_last": "many"}, "'many' is not a whole number such as 12", "retention.keep_last"),
        ({"retention.keep_last": "１２"}, "is not a whole number", "retention.keep_last"),
        ({"retention.keep_last": "1.5"}, "is not a whole number", "retention.keep_last"),
        ({"retention.keep_last": "9" * 5_000}, "is not a whole number", "retention.keep_last"),
        ({"retention.keep_last": "0"}, "0 is less than 1", "retention.keep_last"),
        ({"retention.keep_last": "-3"}, "-3 is less than 1", "retention.keep_last"),
        ({"retention.older_than": "3 months"}, "such as 90d, 12w, 6m or 1y", "retention.older_than"),
        ({"retention.older_than": "\u202e1y"}, "is not an age", "retention.older_than"),
    ],
)
def test_an_error_of_a_run_without_a_person_is_told_beside_its_field(
    typed: dict[str, str], words: str, field: str
) -> None:
    person = Person()
    person.save("Monthly", output="csv", **typed)
    assert words in person.error
    assert not person.error.startswith(field)  # which is no word of the form
    assert person.error.isprintable()
    assert len(person.error) < 300
    assert person.wrong == field
    assert saved_queries.listing() == []


def test_of_several_errors_the_first_on_screen_is_told() -> None:
    person = Person()
    typed = {"recipients": "a", "schedule.cron": "b", "failure_recipients": "c", "retention.keep_last": "d"}
    for field in typed:
        person.save("Monthly", output="csv", **typed)
        assert person.wrong == field
        typed[field] = ""
    person.save("Monthly", output="csv", **typed)
    assert person.saved


def test_what_the_dialog_does_not_show_is_kept_where_it_saves_over_a_query() -> None:
    saved = replace(ON_ITS_OWN, sync=True, catch_up=True, subject="For {interval}", opening="Hello.")
    by = replace(saved, sync=False, catch_up=False, subject="", opening="")
    kept_values = hidden_values(saved, by, division_asked=True)
    assert replace(by, **kept_values) == saved
    unscheduled = replace(by, schedule=None)
    assert not replace(unscheduled, **hidden_values(saved, unscheduled, division_asked=True)).catch_up


def test_what_a_run_without_a_person_does_is_kept() -> None:
    person = Person()
    typed = {"failure_recipients": "eva@example.com, ops@example.com", "retention.keep_last": " 24 "}
    ticked = {"only_if.changed": "yes", "only_if.not_empty": ""}
    person.save("Monthly", **AT_SIX, **typed, **ticked, **{"retention.older_than": "1y"})
    [stored] = person.saved
    assert stored.saved.failure_recipients == ("eva@example.com", "ops@example.com")
    assert stored.saved.only_if == ("changed",)
    assert stored.saved.retention == Retention(24, "1y")
    Person().save("Plain")
    assert saved_queries.load("plain").saved == SavedQuery("Plain", RELATIVE)


# What was loaded

EACH = ForEach("company", "resellers.csv")
FOR_EACH = SavedQuery(
    "Your clients",
    RELATIVE,
    output="csv",
    source="demo",
    schedule=Schedule("0 7 1 * *", "Europe/Paris"),
    failure_recipients=("eva@example.com",),
    for_each=EACH,
)


def kept(saved: SavedQuery, place: Place = "mine") -> Stored:
    return saved_queries.save(saved, place, over=None)


def mailboxes(most: int) -> st.SearchStrategy[tuple[str, ...]]:
    local = st.from_regex(r"[a-z!#$%&'*+/=?^_`{|}~-]{1,12}", fullmatch=True)
    domain = st.sampled_from(("example.com", "EXAMPLE.org", "bücher.example"))
    one = st.tuples(local, domain).map("@".join)
    return st.lists(one, max_size=most, unique_by=str.lower).map(tuple)


retentions = st.builds(
    Retention,
    keep_last=st.none() | st.integers(1, 10**20),
    older_than=st.sampled_from(("90d", "12w", "6m", "1y")),
) | st.builds(Retention, keep_last=st.integers(1, 100))


@st.composite
def automated(draw: st.DrawFn) -> SavedQuery:
    """Draw a saved query that may run by itself; blanks around its title and description fall away."""
    plain = draw(plain_queries)
    scheduled = draw(st.booleans())
    division = draw(st.none() | st.just(EACH) | st.just(ForEach("company", "/a b/<i>ü,;</i>.csv")))
    file = plain.output != "web"
    return replace(
        plain,
        title=plain.title.strip(),
        description=plain.description.strip(),
        source="demo" if scheduled else draw(st.sampled_from((None, "demo", "shop"))),
        schedule=Schedule("0 6 1-7 * MON", "Asia/Tokyo") if scheduled else None,
        recipients=draw(mailboxes(3)) if file and not division else (),
        failure_recipients=draw(mailboxes(3)),
        retention=draw(st.none() | retentions),
        only_if=tuple(draw(st.sets(st.sampled_from(ONLY_IF)))),
        for_each=division if file else None,
    )


@pytest.mark.slow
@given(automated(), st.sampled_from(("mine", "shared")))
def test_loading_and_saving_again_brings_back_every_byte(saved: SavedQuery, place: Place) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUSTDYN_QUERIES", f"{folder}/shared")
        patch.setenv("CUSTDYN_MY_QUERIES", f"{folder}/mine")
        before = kept(saved, place)
        person = Person.after_loading(before)
        person.do("save")
        assert person.question[0].endswith("Overwrite it?"), (person.error, person.question)
        person.do("overwrite")
        assert person.saved == [before]  # the digest of the file's bytes among it


def test_a_copy_under_another_title_has_all_of_it_too() -> None:
    Person.after_loading(kept(FOR_EACH)).save("A copy")
    assert saved_queries.load("a-copy").saved == replace(FOR_EACH, title="A copy")


def test_what_was_loaded_is_offered_and_else_nothing() -> None:
    fields = Person.after_loading(kept(replace(FOR_EACH, description="Both\nof them"), "shared")).fields
    assert (fields["title"], fields["description"]) == ("Your clients", "Both\nof them")
    assert (fields["place"], fields["schedule.cron"]) == ("shared", "0 7 1 * *")
    assert fields["schedule.timezone"] == "Europe/Paris"
    fields = Person().fields
    assert fields.pop("schedule.timezone") == "Asia/Tokyo"
    assert {name for name, value in fields.items() if value} == {"place", "interval", "output", "chart"}


# One report for each company


def test_a_report_for_each_company_is_said_and_stays() -> None:
    person = Person.after_loading(kept(FOR_EACH))
    assert person.dialog.widget.division == "One report for each company, with addresses from resellers.csv"
    assert person.fields["for_each"] == "yes"
    person.do("save", description="New")
    assert person.question[0].endswith("Overwrite it?")
    person.do("overwrite")
    assert person.saved[0].saved == replace(FOR_EACH, description="New")
    assert Person().dialog.widget.division == ""


def test_a_hostile_name_of_the_file_of_addresses_is_text_of_one_line() -> None:
    hostile = "<img src=x onerror=alert(1)>\u202e" + "x" * 500
    words = Person.after_loading(kept(replace(FOR_EACH, for_each=ForEach("company", hostile)))).dialog.widget
    assert words.division.isprintable()
    assert len(words.division) < 300


def test_a_copy_in_the_other_folder_still_finds_the_file_of_addresses(tmp_path: Path) -> None:
    Person.after_loading(kept(FOR_EACH)).save("A copy", place="shared")
    copied = saved_queries.load("a-copy", "shared").saved.for_each
    assert copied == ForEach("company", str(tmp_path / "mine" / "resellers.csv"))
    elsewhere = replace(FOR_EACH, title="Other", for_each=ForEach("company", "/lists/resellers.csv"))
    Person.after_loading(kept(elsewhere)).save("Another copy", place="shared")
    assert saved_queries.load("another-copy", "shared").saved.for_each == elsewhere.for_each


def test_it_can_be_taken_off_knowingly() -> None:
    person = Person.after_loading(kept(FOR_EACH))
    person.do("save", for_each="", recipients="a@example.com")
    assert person.question[0].endswith("Overwrite it? It would lose its report for each company.")
    person.do("overwrite")
    assert person.saved[0].saved == replace(FOR_EACH, for_each=None, recipients=("a@example.com",))


def test_a_table_cannot_be_made_for_each_company_and_that_is_said_at_once() -> None:
    person = Person.after_loading(kept(FOR_EACH))
    person.do("save", output="web")
    assert "cannot be sent by email" in person.error
    assert (person.wrong, person.question) == ("output", [])


def test_overwriting_what_was_not_loaded_keeps_its_report_for_each_company_and_says_so() -> None:
    kept(FOR_EACH)
    person = Person(FIXED)
    person.save("Your clients", output="csv", **AT_SIX, failure_recipients="eva@example.com")
    assert person.question[0].endswith(
        "Overwrite it? It would keep one report for each company, with addresses from resellers.csv."
    )
    person.do("overwrite")
    assert person.saved[0].saved.for_each == EACH
    with_recipients = Person(FIXED)
    with_recipients.save("Your clients", output="csv", recipients="a@example.com")
    assert "cannot be combined with for_each" in with_recipients.error
    assert (with_recipients.wrong, with_recipients.question) == ("recipients", [])


def test_what_was_not_loaded_can_be_replaced_by_another_one_for_each_company() -> None:
    kept(FOR_EACH)
    other = kept(replace(FOR_EACH, title="Other", for_each=ForEach("company", "other.csv")))
    person = Person.after_loading(other)
    person.save("Your clients")
    assert person.question[0].endswith(
        "Overwrite it? Its addresses would come from 'other.csv' instead of 'resellers.csv'."
    )
    person.do("overwrite")
    assert person.saved[0].saved.for_each == ForEach("company", "other.csv")


# What is taken away


def test_overwriting_tells_what_is_taken_away() -> None:
    kept(ON_ITS_OWN)
    person = Person()
    person.save("Monthly")
    assert person.question[0].endswith(
        "Overwrite it? It would lose its schedule (0 6 1 * * in Europe/Paris), its 2 recipients, "
        "the 1 address to notify on failure, its 1 condition for sending and its rule for old snapshots."
    )
    person.do("overwrite")
    assert person.saved[0].saved == SavedQuery("Monthly", RELATIVE, source="shop")


def test_overwriting_tells_one_thing_that_is_taken_away_too() -> None:
    person = Person.after_loading(kept(replace(ON_ITS_OWN, source="demo")))
    person.do("save", failure_recipients=" ")
    assert person.question[0].endswith("Overwrite it? It would lose the 1 address to notify on failure.")


def test_overwriting_tells_that_another_source_is_asked() -> None:
    person = Person.after_loading(kept(ON_ITS_OWN))
    person.do("save")
    assert person.question[0].endswith("Overwrite it? It would read 'demo' instead of 'shop'.")
    person.do("overwrite")
    assert person.saved[0].saved == replace(ON_ITS_OWN, source="demo")


def test_data_of_the_notebook_alone_leaves_the_source_of_what_is_replaced() -> None:
    person = Person.after_loading(kept(replace(ON_ITS_OWN, schedule=None)), source={"clients": None})
    person.do("save")
    person.do("overwrite")
    assert person.saved[0].saved.source == "shop"
