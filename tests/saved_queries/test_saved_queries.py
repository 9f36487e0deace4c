"""Saved queries: files read back unchanged, bad ones hide no good ones, no writer loses another's work."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from custdyn_widgets.errors import (
    QueryError,
    SavedQueryChangedError,
    SavedQueryError,
    SavedQueryExistsError,
)
from custdyn_widgets.files import whole, writing
from custdyn_widgets.query.checks import Period
from custdyn_widgets.query.fields import CLIENT_TYPES, COLUMN_GROUPS, COMPARISONS, GROUPS, PRESETS
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.saved_queries import folders as saved_queries
from custdyn_widgets.saved_queries.content import MAX_BYTES, OUTPUTS, SavedQuery, is_name, name_for
from custdyn_widgets.saved_queries.folders import delete, listing, load, save
from custdyn_widgets.settings import Settings

ROOT = Path(__file__).parents[2]
Keep = Callable[..., Any]
MONTHLY = SavedQuery("Monthly refills", ReportQuery(interval="last_month"))
OTHER = replace(MONTHLY, description="another")
CHARTS: list[dict[str, Any] | None] = [
    None,
    {"preset": "Clients - Active: Qty"},
    {"x": None, "y": ["Balance Refill: Total"], "mark": "bar", "second_axis": [], "title": None},
    {"x": "Month", "y": ["a", "b"], "mark": "line", "second_axis": ["b"], "title": "Zwölf"},
]


@pytest.fixture
def folders(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "s", tmp_path / "shared", tmp_path / "c", my_queries=tmp_path / "mine")


@pytest.fixture
def keep(folders: Settings) -> Keep:
    def keep_one(saved: SavedQuery = MONTHLY, place: Any = "mine", over: str | None = None) -> Any:
        return save(saved, place, over=over, settings=folders)

    return keep_one


def own_folder(folders: Settings) -> Path:
    assert folders.my_queries
    return folders.my_queries


def files(folder: Path) -> list[str]:
    """Return the names of all files in a folder except its lock."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def put(folder: Path, name: str, content: bytes | str | dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict):
        content = json.dumps(content)
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# Round trips


texts = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=40)
names = st.lists(texts, max_size=4, unique=True).map(tuple)
walls = st.datetimes(datetime(1900, 1, 1), datetime(2100, 12, 31)).map(lambda w: w.replace(microsecond=0))
periods = st.tuples(walls, walls).map(lambda ends: Period(min(ends), max(ends)))
queries = st.builds(
    ReportQuery,
    interval=st.sampled_from(PRESETS) | periods,
    timezone=st.sampled_from(("UTC", "Asia/Tokyo", "America/Sao_Paulo")),
    client_type=st.sampled_from((*CLIENT_TYPES, "all")),
    client_tags=names,
    tags_match=st.sampled_from(("any", "all")),
    company=names,
    include_descendants=st.booleans(),
    owner_user=names,
    package=names,
    group_by=st.sampled_from(((), *((group,) for group in GROUPS), ("date", "package"), ("month", "cohort"))),
    columns=st.lists(st.sampled_from(COLUMN_GROUPS[:-1]), unique=True).map(tuple),
    compare=st.sampled_from((None, *COMPARISONS)),
    currency=st.sampled_from((None, "USD", "JPY")),
    active_duration=st.integers(1, 120),
)
saved = st.builds(
    SavedQuery,
    title=texts.filter(str.strip),
    query=queries,
    description=st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=200) | st.just("a\n\tb"),
    output=st.sampled_from(OUTPUTS),
    chart=st.sampled_from(CHARTS),
)


@given(saved)
def test_what_is_written_reads_back_as_the_same_value_and_the_same_bytes(query: SavedQuery) -> None:
    data = query.to_bytes()
    again = SavedQuery.from_file("x.json", data)
    assert again == query
    assert again.to_bytes() == data
    assert SavedQuery.from_dict(query.to_dict()) == query


def test_the_file_is_readable_in_a_diff(keep: Keep, folders: Settings) -> None:
    keep(SavedQuery("Zürich", ReportQuery(interval="last_month", client_tags=("vip", "größe"))))
    text = (own_folder(folders) / "zurich.json").read_text(encoding="utf-8")
    assert text.splitlines()[:10] == [
        "{",
        '  "format": 1,',
        '  "title": "Zürich",',
        '  "description": "",',
        '  "query": {',
        '    "interval": "last_month",',
        '    "timezone": "UTC",',
        '    "client_type": "client",',
        '    "client_tags": [',
        '      "vip",',
    ]
    assert '"größe"' in text
    assert text.endswith('  "output": "web",\n  "chart": null\n}\n')


def test_the_order_of_keys_does_not_depend_on_how_it_was_given() -> None:
    given = dict(reversed(MONTHLY.to_dict().items()))
    given["chart"] = {"title": "T", "mark": "bar", "y": ("a", "b"), "x": None}
    found = SavedQuery.from_dict(given)
    assert list(found.to_dict()) == ["format", "title", "description", "query", "output", "chart"]
    assert found.chart == {"x": None, "y": ["a", "b"], "mark": "bar", "title": "T"}
    assert list(found.chart) == ["x", "y", "mark", "title"]


def test_a_preset_stays_a_preset_and_a_period_a_period(keep: Keep, folders: Settings) -> None:
    october = Period(datetime(2021, 10, 1), datetime(2021, 10, 31, 23, 59, 59))
    keep(MONTHLY)
    keep(SavedQuery("October", ReportQuery(interval=october)))
    assert load("monthly-refills", settings=folders).saved.query.interval == "last_month"
    assert load("october", settings=folders).saved.query.interval == october


def test_null_and_absent_keys_mean_the_default(folders: Settings) -> None:
    put(folders.queries, "a.json", {"format": 1, "title": "A", "query": {"interval": "today"}})
    nulls = {"description": None, "output": None, "chart": None}
    put(folders.queries, "b.json", {"format": 1, "title": "A", "query": {"interval": "today"}, **nulls})
    assert load("a", settings=folders).saved == load("b", settings=folders).saved


def test_a_byte_order_mark_is_accepted(folders: Settings) -> None:
    put(folders.queries, "a.json", b"\xef\xbb\xbf" + MONTHLY.to_bytes())
    assert load("a", settings=folders).saved == MONTHLY


def test_texts_as_long_as_allowed_are_accepted() -> None:
    for change in ({"title": "x" * 200}, {"description": "d" * 2_000}):
        saved = replace(MONTHLY, **change)
        assert SavedQuery.from_file("x.json", saved.to_bytes()) == saved


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"title": ""}, "title is required"),
        ({"title": " \u3000"}, "title is required"),
        ({"title": "x" * 201}, "is longer than 200 characters"),
        ({"title": "two\nlines"}, "contains a control character"),
        ({"title": "two\u2028lines"}, "contains a control character"),
        ({"title": "half \ud800"}, "title: '\\ud800' is an incomplete character"),
        ({"title": 3}, "title must be text, not 3"),
        ({"description": "a\x00"}, "contains a control character"),
        ({"description": "d" * 2001}, "is longer than 2,000 characters"),
        ({"output": "xls"}, "choose xlsx"),
        (
            {"output": "WEB"},
            "Choose from: 'web', 'csv', 'csv-excel', 'xlsx', 'pdf'.",
        ),
        ({"output": []}, "[] is not an allowed value"),
        ({"query": {"interval": "today"}}, "query must be a ReportQuery"),
        (
            {"query": ReportQuery(interval="today", client_tags=("\udcff",))},
            "query: '\\udcff' is an incomplete",
        ),
        (
            {"query": ReportQuery(interval="today", client_tags=tuple(map(str, range(9999))))},
            "choose fewer values",
        ),
    ],
)
def test_an_invalid_value_is_refused_when_it_is_built(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SavedQueryError) as caught:
        replace(MONTHLY, **change)
    assert words in caught.value.message
    assert len(caught.value.message) < 400


def test_an_invalid_query_is_refused_when_the_saved_query_is_built() -> None:
    with pytest.raises(QueryError, match="active_duration: 0 is not between"):
        replace(MONTHLY, query=replace(MONTHLY.query, active_duration=0))
    to_the_microsecond = Period(datetime(2021, 1, 1, 0, 0, 0, 1), datetime(2021, 1, 2))
    with pytest.raises(QueryError, match=r"interval\.start"):
        replace(MONTHLY, query=ReportQuery(interval=to_the_microsecond))


# Hostile files

_GOOD = json.loads(MONTHLY.to_bytes())


def _but(**changes: Any) -> bytes:
    return json.dumps({**_GOOD, **changes}).encode()


def _chart(**keys: Any) -> bytes:
    return _but(chart=keys)


def _query(**keys: Any) -> bytes:
    return _but(query={"interval": "today", **keys})


def _without(key: str) -> bytes:
    return json.dumps({k: v for k, v in _GOOD.items() if k != key}).encode()


def _raw(old: str, new: str) -> bytes:
    text = json.dumps(_GOOD)
    assert old in text
    return text.replace(old, new, 1).encode()


HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty: restore it from a backup, or delete it"),
    "blank": (b" \n", "is empty"),
    "only a byte-order mark": (b"\xef\xbb\xbf", "is empty"),
    "period as text": (
        _query(interval="2021-10-01/2021-11-30"),
        'Write a period as {"start": "2021-10-01", "end": "2021-11-30"}',
    ),
    "cut off": (MONTHLY.to_bytes()[:-5], "is not valid JSON"),
    "two values": (MONTHLY.to_bytes() * 2, "is not valid JSON"),
    "trailing comma": (_raw("}", ",}"), "is not valid JSON"),
    "single quotes": (b"{'format': 1}", "is not valid JSON"),
    "comment": (b"// saved\n" + MONTHLY.to_bytes(), "is not valid JSON"),
    "UTF-16": (MONTHLY.to_bytes().decode().encode("utf-16"), "is not encoded in UTF-8: save it as UTF-8"),
    "Latin-1": (_but(title="x").replace(b'"x"', b'"\xe9"'), "is not encoded in UTF-8"),
    "zero bytes": (b"\x00" * 40, "is not valid JSON"),
    "raw control in text": (_raw("Monthly", "Mon\x01thly"), "is not valid JSON"),
    "bad escape": (_raw("Monthly", "\\x41"), "is not valid JSON"),
    "NaN": (_raw("3", "NaN"), "NaN is not a JSON number"),
    "Infinity": (_raw("3", "Infinity"), "Infinity is not a JSON number"),
    "-Infinity": (_raw("3", "-Infinity"), "-Infinity is not a JSON number"),
    "infinite by exponent": (_raw('"active_duration": 3', '"active_duration": 1e999'), "whole number"),
    "huge number": (
        _raw('"active_duration": 3', f'"active_duration": {"9" * 5000}'),
        "contains a number with thousands of digits",
    ),
    "deep list": (b"[" * 60_000, "nested too deeply"),
    "deep object": (b'{"a":' * 12_000, "nested too deeply"),
    "deep but closed": (b"[" * 30_000 + b"]" * 30_000, "nested too deeply"),
    "too large": (_but(description="x").replace(b'"x"', b'"' + b"x" * MAX_BYTES + b'"'), "is larger than"),
    "larger by blanks": (MONTHLY.to_bytes() + b" " * MAX_BYTES, "is larger than 64,000 bytes"),
    "a text": (b'"saved"', "The file must be an object"),
    "a list": (b"[1]", "The file must be an object"),
    "a number": (b"1", "The file must be an object"),
    "null": (b"null", "The file must be an object"),
    "key twice": (_raw('"title"', '"title": "first", "title"'), "the key 'title' occurs twice"),
    "key twice in the query": (
        _raw('"timezone"', '"interval": "today", "timezone"'),
        "'interval' occurs twice",
    ),
    "key twice, long": (b'{"%s": 1, "%s": 2}' % ((b"k" * 20_000,) * 2), "occurs twice"),
    "unknown key": (_but(tilte="x"), "A saved query has no key 'tilte'"),
    "unknown key, long": (_but(**{"k" * 5000: 1}), "A saved query has no key 'kkkk"),
    "unknown null key": (_but(recipient=None), "A saved query has no key 'recipient'"),
    "no format": (_without("format"), "format is required"),
    "format null": (_but(format=None), "format is required"),
    "format 2": (_but(format=2), "format: 2 is not the format"),
    "format true": (_but(format=True), "format: True is not the format"),
    "format 1.0": (_but(format=1.0), "format: 1.0 is not the format"),
    "format text": (_but(format="1"), "format: '1' is not the format"),
    "no title": (_without("title"), "title is required"),
    "title null": (_but(title=None), "title is required"),
    "title number": (_but(title=1), "title must be text"),
    "title list": (_but(title=["a"]), "title must be text"),
    "title false": (_but(title=False), "title must be text"),
    "title empty": (_but(title=""), "title is required"),
    "title of blanks": (_but(title="  "), "title is required"),
    "title long": (_but(title="t" * 30_000), "is longer than 200 characters"),
    "title with escape sequence": (_but(title="\x1b[2J"), "contains a control character"),
    "title half a character": (_raw("Monthly", "\\ud800"), "is an incomplete character"),
    "description list": (_but(description=[]), "description must be text"),
    "description with zero": (_but(description="a\x00b"), "contains a control character"),
    "no query": (_without("query"), "query is required"),
    "query null": (_but(query=None), "query is required"),
    "query text": (_but(query="today"), "query: query must be an object"),
    "query list": (_but(query=[["interval", "today"]]), "query: query must be an object"),
    "query empty": (_but(query={}), "query: interval is required"),
    "query with unknown field": (_query(colour="red"), "query: A query has no field 'colour'"),
    "query with unknown preset": (_query(interval="last_moth"), "Did you mean 'last_month'"),
    "query with start after end": (
        _query(interval={"start": "2021-02-01", "end": "2021-01-01"}),
        "is after the end",
    ),
    "query with half a period": (_query(interval={"start": "2021-02-01"}), "interval.end is required"),
    "query with a number as zone": (_query(timezone=1), "query: timezone must be text"),
    "query with unknown zone": (_query(timezone="Mars/Olympus"), "query: timezone: 'Mars/Olympus'"),
    "query with a text as list": (_query(company="a"), "query: company must be a list of strings"),
    "query with numbers in a list": (_query(package=[1]), "query: package must be a list of strings"),
    "query with a nested list": (_query(client_tags=[["a"]]), "client_tags must be a list of strings"),
    "query with half a character": (
        _query(owner_user=["\ud800"]),
        "query: '\\ud800' is an incomplete character",
    ),
    "query with true as months": (_query(active_duration=True), "query: active_duration must be a whole"),
    "query with 121 months": (_query(active_duration=121), "121 is not between 1 and 120"),
    "query with 1 as flag": (_query(include_descendants=1), "must be true or false"),
    "query with two times": (_query(group_by=["year", "month"]), "has more than one of year"),
    "query with small currency": (_query(currency="usd"), "currency must be an ISO 4217 code"),
    "output xls": (_but(output="xls"), "choose xlsx"),
    "output unknown": (_but(output="docx"), "output: 'docx' is not an allowed value"),
    "output list": (_but(output=["web"]), "is not an allowed value"),
    "output number": (_but(output=0), "output: 0 is not an allowed value"),
    "chart text": (_but(chart="bar"), "chart must be an object"),
    "chart list": (_but(chart=[]), "chart must be an object"),
    "chart false": (_but(chart=False), "chart must be an object"),
    "chart empty": (_chart(), "chart.y is required"),
    "chart unknown key": (_chart(y=["a"], mark="bar", colour="red"), "no key 'chart.colour'"),
    "chart preset and more": (_chart(preset="a", x="b"), "no key 'chart.x'"),
    "chart preset number": (_chart(preset=1), "chart.preset must be text"),
    "chart preset null": (_chart(preset=None), "chart.preset is required"),
    "chart without mark": (_chart(y=["a"]), "chart.mark is required"),
    "chart y numbers": (_chart(y=[1], mark="bar"), "chart.y must be text or a list of strings"),
    "chart y object": (_chart(y={"a": 1}, mark="bar"), "chart.y must be text or a list of strings"),
    "chart mark list": (_chart(y=["a"], mark=["bar"]), "chart.mark must be text"),
    "chart x list": (_chart(x=["a"], y=["a"], mark="bar"), "chart.x must be text"),
    "chart axis number": (_chart(y=["a"], mark="bar", second_axis=1), "chart.second_axis must be text or"),
    "chart title object": (_chart(y=["a"], mark="bar", title={}), "chart.title must be text"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_with_its_name_and_the_reason(kind: str, folders: Settings) -> None:
    content, words = HOSTILE[kind]
    put(folders.queries, "bad.json", content)
    with pytest.raises(SavedQueryError) as caught:
        load("bad", settings=folders)
    message = caught.value.message
    assert message.startswith("'bad.json'")
    assert message.count("bad.json") == 1
    assert words in message
    assert str(folders.queries) not in message
    assert len(message) < 500
    assert message.isprintable()


def test_bad_files_hide_no_good_one(folders: Settings, keep: Keep) -> None:
    for number, (content, _) in enumerate(HOSTILE.values()):
        put(folders.queries, f"bad-{number}.json", content)
    keep(MONTHLY, "shared")
    found = listing(folders)
    assert len(found) == len(HOSTILE) + 1
    assert [entry.saved for entry in found if entry.saved] == [MONTHLY]
    assert all(entry.error is not None and entry.title for entry in found if not entry.saved)


@given(st.binary(max_size=300) | st.text().map(str.encode))
@example(b"\xef\xbb\xbf")
def test_any_bytes_raise_only_a_saved_query_error(content: bytes) -> None:
    with pytest.raises(SavedQueryError):
        SavedQuery.from_file("x.json", content)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(_GOOD)), _json, min_size=1))
def test_a_file_is_either_read_and_written_the_same_or_refused_by_name(changes: dict[str, Any]) -> None:
    data = json.dumps({**_GOOD, **changes}).encode()
    try:
        found = SavedQuery.from_file("x.json", data)
    except SavedQueryError as error:
        told = error.message
    else:
        told = "'x.json'" if SavedQuery.from_file("x.json", found.to_bytes()) == found else "another"
    assert told.startswith("'x.json'")


# Links, folders and pipes


def test_links_are_not_followed_and_pipes_do_not_block(folders: Settings, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside", "secret.json", MONTHLY.to_bytes())
    folders.queries.mkdir()
    (folders.queries / "link.json").symlink_to(outside)
    (folders.queries / "loop.json").symlink_to("loop.json")
    (folders.queries / "folder.json").mkdir()
    os.mkfifo(folders.queries / "pipe.json")
    words = {
        "link": "is a link, which is not followed",
        "loop": "is a link, which is not followed",
        "folder": "cannot be read: Is a directory",
        "pipe": "is a device or a pipe",
    }
    for name, why in words.items():
        with pytest.raises(SavedQueryError, match=why):
            load(name, settings=folders)
    assert {entry.name for entry in listing(folders) if entry.error} == set(words)


def test_a_link_is_not_written_through_and_only_the_link_is_deleted(
    folders: Settings, tmp_path: Path, keep: Keep
) -> None:
    outside = put(tmp_path, "outside.json", b"as it was")
    folders.queries.mkdir()
    link = folders.queries / "monthly-refills.json"
    link.symlink_to(outside)
    with pytest.raises(SavedQueryError, match="is a link"):
        keep(MONTHLY, "shared")
    link.unlink()
    link.symlink_to(tmp_path / "nowhere.json")
    with pytest.raises(SavedQueryError, match="is a link"):
        keep(MONTHLY, "shared")
    assert not (tmp_path / "nowhere.json").exists()
    assert delete("monthly-refills", settings=folders) == "shared"
    assert not link.is_symlink()
    assert outside.read_bytes() == b"as it was"


def test_a_lock_that_is_a_link_is_not_followed(folders: Settings, tmp_path: Path, keep: Keep) -> None:
    folders.queries.mkdir()
    (folders.queries / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SavedQueryError, match="cannot be written to"):
        keep(MONTHLY, "shared")
    assert not (tmp_path / "elsewhere").exists()


NO_NAMES = [
    "", ".", "..", "../x", "a/b", "/etc/passwd", "a\\b", "a\x00", "a\x00b", "A", "a.json", "a b", "ä", "a_b",
    "-a", "a-", "a--b", "~", "$HOME", "con", "nul", "com1", "lpt9", "a" * 81, "a\n", "\ud800", "%2e%2e", "٣",
]  # fmt: skip


@pytest.mark.parametrize("name", [*NO_NAMES, None, 3, Path("a")], ids=ascii)
def test_an_invalid_name_is_refused_before_any_file_is_touched(
    name: Any, folders: Settings, tmp_path: Path
) -> None:
    put(tmp_path, "x.json", MONTHLY.to_bytes())
    for act in (load, delete, saved_queries.find):
        with pytest.raises(SavedQueryError, match="cannot be the name of a saved query") as caught:
            act(name, settings=folders)
        assert caught.value.message.isprintable()
    assert (tmp_path / "x.json").exists()


def test_a_misnamed_file_is_listed_with_what_to_do(folders: Settings) -> None:
    put(folders.queries, "My Query.json", MONTHLY.to_bytes())
    put(folders.queries, "nul.json", MONTHLY.to_bytes())
    (folders.queries / os.fsdecode(b"\xff.json")).write_bytes(MONTHLY.to_bytes())
    put(folders.queries, ".hidden.json", MONTHLY.to_bytes())
    put(folders.queries, "README.md", b"not ours")
    found = listing(folders)
    assert len(found) == 3
    assert all("rename it" in entry.error.message for entry in found if entry.error)
    assert all(entry.error and entry.error.message.isprintable() for entry in found)


# Names


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Monthly refills", "monthly-refills"),
        ("  Q3 / 2021 — VIP! ", "q3-2021-vip"),
        ("Crème brûlée", "creme-brulee"),
        ("Crème".encode().decode() + "\u0301", "creme"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("ﬁne ２", "fine-2"),
        ("../../etc/passwd", "etc-passwd"),
        ("CON", "con-query"),
        ("com1", "com1-query"),
        ("com10", "com10"),
        ("a" * 80, "a" * 80),
        ("a\x00b", "a-b"),
    ],
)
def test_a_name_is_made_of_the_titles_plain_letters(title: str, name: str) -> None:
    assert name_for(title) == name


def test_titles_that_lose_letters_or_length_keep_different_names() -> None:
    titles = [
        "Отчёт 2024",
        "Доклад 2024",
        "2024",
        "日本",
        "日",
        "🎉",
        "🎈",
        "!",
        "a" * 81,
        "a" * 82,
        "a" * 80,
    ]
    assert len({name_for(title) for title in titles}) == len(titles)
    assert name_for("Отчёт 2024").startswith("2024-")
    assert name_for("日本").startswith("query-")
    assert name_for("日本") == "query-cf2abf0c5b"  # a name never changes: links and crontabs contain it


@given(st.text(max_size=300))
@example("ⅷ" * 100)
@example("-" * 200)
@example("a " * 45 + "ж")
def test_every_title_gives_a_valid_name(title: str) -> None:
    name = name_for(title)
    assert is_name(name)
    assert name_for(unicodedata.normalize("NFD", title)) == name_for(unicodedata.normalize("NFC", title))


# Two places


def test_the_users_own_query_wins_and_the_listing_shows_both(keep: Keep, folders: Settings) -> None:
    shared = keep(OTHER, "shared")
    assert load("monthly-refills", settings=folders) == shared
    own = keep(MONTHLY, "mine")
    assert load("monthly-refills", settings=folders) == own
    assert load("monthly-refills", "shared", settings=folders) == shared
    assert [(e.name, e.place) for e in listing(folders)] == [
        ("monthly-refills", "mine"),
        ("monthly-refills", "shared"),
    ]
    assert delete("monthly-refills", settings=folders) == "mine"
    assert load("monthly-refills", settings=folders) == shared
    assert delete("monthly-refills", "shared", settings=folders) == "shared"
    assert listing(folders) == []


def test_an_invalid_file_of_the_users_own_is_not_skipped_for_the_shared_one(
    keep: Keep, folders: Settings
) -> None:
    keep(MONTHLY, "shared")
    put(own_folder(folders), "monthly-refills.json", b"{")
    with pytest.raises(SavedQueryError, match="is not valid JSON"):
        load("monthly-refills", settings=folders)


def test_one_folder_for_both_places_lists_each_query_once(tmp_path: Path) -> None:
    both = Settings(tmp_path, tmp_path / "q", tmp_path, my_queries=tmp_path / "q")
    save(MONTHLY, "shared", over=None, settings=both)
    assert [entry.place for entry in listing(both)] == ["shared"]
    with pytest.raises(SavedQueryError, match="it is the folder for shared saved queries"):
        save(MONTHLY, "mine", over=None, settings=both)


def test_an_unreadable_folder_is_reported_and_does_not_hide_the_other(keep: Keep, folders: Settings) -> None:
    keep(MONTHLY, "mine")
    put(folders.queries.parent, folders.queries.name, b"a file")
    found = listing(folders)
    assert [entry.saved for entry in found if entry.saved] == [MONTHLY]
    [broken] = [entry for entry in found if entry.error]
    assert broken.error
    assert "The folder for the shared saved queries (CUSTDYN_QUERIES) cannot be read" in broken.error.message


def test_a_folder_is_made_with_those_above_it_and_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    below = Settings(tmp_path, tmp_path / "team" / "shared" / "queries", tmp_path)
    assert save(MONTHLY, "shared", over=None, settings=below).saved == MONTHLY
    (tmp_path / "file").touch()
    with pytest.raises(SavedQueryError, match="cannot be written to: File exists"):
        save(MONTHLY, "shared", over=None, settings=Settings(tmp_path, tmp_path / "file", tmp_path))


def test_an_unknown_place_is_refused(folders: Settings) -> None:
    for act in (lambda: save(MONTHLY, "theirs", over=None, settings=folders), lambda: load("a", "theirs")):  # type: ignore[arg-type]
        with pytest.raises(SavedQueryError, match="place: 'theirs' is not an allowed value"):
            act()


def test_a_missing_query_is_reported_with_the_nearest_names(keep: Keep, folders: Settings) -> None:
    for act in (load, delete):
        with pytest.raises(SavedQueryError, match=r"There is no saved query 'x'\. There are none\."):
            act("x", settings=folders)
    assert not folders.queries.exists()
    keep(MONTHLY)
    with pytest.raises(SavedQueryError, match="Choose from: 'monthly-refills'"):
        load("monthly-refils", settings=folders)
    with pytest.raises(SavedQueryError, match="'monthly-refills'"):
        load("Monthly refills", settings=folders)


def test_the_current_settings_are_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTDYN_QUERIES", str(tmp_path / "ours"))
    monkeypatch.setenv("CUSTDYN_MY_QUERIES", str(tmp_path / "own"))
    save(MONTHLY, "mine", over=None)
    save(MONTHLY, "shared", over=None)
    assert files(tmp_path / "own") == files(tmp_path / "ours") == ["monthly-refills.json"]
    assert len(listing()) == 2
    assert delete("monthly-refills") == "mine"


# Writers


def test_nothing_is_overwritten_unless_the_user_saw_it(keep: Keep, folders: Settings) -> None:
    first = keep(MONTHLY)
    with pytest.raises(SavedQueryExistsError) as exists:
        keep(OTHER)
    assert (exists.value.title, exists.value.revision) == (MONTHLY.title, first.revision)
    second = keep(OTHER, over=first.revision)
    assert second.revision != first.revision
    with pytest.raises(SavedQueryChangedError) as changed:
        keep(MONTHLY, over=first.revision)
    assert changed.value.revision == second.revision
    assert load("monthly-refills", settings=folders) == second
    delete("monthly-refills", settings=folders)
    with pytest.raises(SavedQueryChangedError, match="has deleted") as gone:
        keep(MONTHLY, over=second.revision)
    assert gone.value.revision is None
    assert listing(folders) == []


def test_an_invalid_file_can_be_overwritten_by_revision_and_deleted(keep: Keep, folders: Settings) -> None:
    put(own_folder(folders), "monthly-refills.json", b"{")
    with pytest.raises(SavedQueryExistsError) as exists:
        keep(MONTHLY)
    assert exists.value.title == "monthly-refills"
    assert keep(MONTHLY, over=exists.value.revision).saved == MONTHLY
    put(own_folder(folders), "monthly-refills.json", b"{")
    assert delete("monthly-refills", settings=folders) == "mine"
    assert files(own_folder(folders)) == []


_WRITER = """
import sys
from pathlib import Path
from custdyn_widgets.errors import SavedQueryChangedError, SavedQueryExistsError
from custdyn_widgets.query import ReportQuery
from custdyn_widgets.saved_queries import SavedQuery, load, save
me, rounds = sys.argv[1], int(sys.argv[2])
done = 0
print("ready", flush=True)
sys.stdin.readline()
for number in range(rounds):
    title = f"Only one {number}"
    try:
        save(SavedQuery(title, ReportQuery(interval="today"), me), "shared", over=None)
        print("made", number, flush=True)
    except SavedQueryExistsError:
        pass
while done < rounds:
    seen = load("counter")
    text = str(int(seen.saved.description) + 1)
    try:
        save(SavedQuery("Counter", seen.saved.query, text), "shared", over=seen.revision)
        done += 1
    except SavedQueryChangedError:
        pass
"""


def test_of_two_processes_only_one_creates_and_no_change_is_lost(tmp_path: Path) -> None:
    rounds = 40
    folders = Settings(tmp_path, tmp_path / "q", tmp_path, my_queries=tmp_path / "m")
    save(SavedQuery("Counter", MONTHLY.query, "0"), "shared", over=None, settings=folders)
    environment = {**os.environ, "CUSTDYN_QUERIES": str(folders.queries), "CUSTDYN_MY_QUERIES": "/nowhere"}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, name, str(rounds)],
            env={**environment, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    try:
        for writer in writers:
            assert writer.stdout
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin
            writer.stdin.write("go\n")
            writer.stdin.flush()
        told = [writer.communicate(timeout=120) for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert [errors for _, errors in told] == ["", ""]
    made = [line for out, _ in told for line in out.splitlines()]
    assert sorted(made) == sorted(f"made {number}" for number in range(rounds))
    assert load("counter", settings=folders).saved.description == str(2 * rounds)
    assert len(files(folders.queries)) == rounds + 1


def test_a_new_file_never_replaces_one_by_a_writer_that_takes_no_lock(
    keep: Keep, folders: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def late(source: Path, target: Path) -> None:
        target.write_bytes(OTHER.to_bytes())
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(SavedQueryExistsError):
        keep(MONTHLY)
    assert load("monthly-refills", settings=folders).saved == OTHER
    assert files(own_folder(folders)) == ["monthly-refills.json"]


@pytest.mark.parametrize(
    ("call", "over_another"),
    [
        *((call, over_another) for call in ("write", "fsync", "open") for over_another in (False, True)),
        ("link", False),
        ("replace", True),
    ],
)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES])
def test_a_failing_disk_changes_nothing_and_the_error_says_what_to_do(
    call: str,
    over_another: bool,
    number: int,
    keep: Keep,
    folders: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = keep(OTHER).revision if over_another else None
    folder = own_folder(folders)
    before = {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}
    opened = os.open

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    def fail_to_create(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_EXCL:
            fail()
        return opened(path, flags, *more, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail_to_create if call == "open" else fail)
        with pytest.raises(SavedQueryError) as caught:
            keep(MONTHLY, over=over)
    message = caught.value.message
    assert (
        f"cannot be written to: {os.strerror(number)}. Nothing was changed. Fix that, or save the query"
        in message
    )
    assert str(folder) not in message
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name: data for name, data in after.items() if name != ".lock"} == {
        name: data for name, data in before.items() if name != ".lock"
    }
    assert keep(MONTHLY, over=over).saved == MONTHLY


def test_a_disk_that_writes_a_few_bytes_at_a_time_writes_them_all(
    keep: Keep, folders: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data[:7])))
    assert load(keep(MONTHLY).name, settings=folders).saved == MONTHLY


def test_a_folder_that_cannot_be_synced_still_gets_the_file(
    keep: Keep, folders: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(whole, "sync_folder", refuse)
    assert load(keep(MONTHLY).name, settings=folders).saved == MONTHLY


def test_waiting_for_another_writer_times_out(
    keep: Keep, folders: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_folder(folders).mkdir()
    monkeypatch.setattr(writing, "_LOCK_PAUSE_S", 0)
    with writing.lock_folder(own_folder(folders)), pytest.raises(SavedQueryError, match="for ten seconds"):
        keep(MONTHLY)
    assert keep(MONTHLY).saved == MONTHLY


def test_a_failed_delete_names_the_folder(
    keep: Keep, folders: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(MONTHLY)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        with pytest.raises(SavedQueryError, match="cannot be deleted from: Read-only file system"):
            delete("monthly-refills", settings=folders)
    assert load("monthly-refills", settings=folders).saved == MONTHLY


def test_the_lock_of_a_shared_folder_is_writable_by_its_group(keep: Keep, folders: Settings) -> None:
    folders.queries.mkdir()
    folders.queries.chmod(0o775)
    before = os.umask(0o077)
    try:
        keep(MONTHLY, "shared")
    finally:
        os.umask(before)
    assert (folders.queries / ".lock").stat().st_mode & 0o777 == 0o664
