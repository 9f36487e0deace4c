"""A saved query's retention by size: the oldest of its own snapshots go, and nobody else's."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from custdyn_widgets.errors import SavedQueryError
from custdyn_widgets.saved_queries import Retention
from custdyn_widgets.scheduling.retention import prune
from custdyn_widgets.snapshots.actions import actions_on
from custdyn_widgets.snapshots.store import Store
from tests.make_report import make_report

HALF_A_MEGABYTE = {"report.html": bytes(500_000)}


def test_the_oldest_of_its_own_are_deleted_until_all_are_small_enough(tmp_path: Path) -> None:
    store, report = Store(tmp_path / "store"), make_report()

    def made(month: int, saved_query: str | None = "board") -> str:
        about = {"query": report.query.to_dict(), "source": report.info.source}
        by = {} if saved_query is None else {"saved_query": saved_query}
        instant = f"2026-{month:02}-01T00:00:00Z"
        return store.publish({**about, **by, "generated_at": instant}, HALF_A_MEGABYTE)

    by_hand, by_another = made(1, None), made(1, "other")
    first, second, third, new = (made(month) for month in (2, 3, 4, 5))
    deleted = prune(store, Retention(max_size="1MB"), {new: report}, "board", set)
    assert deleted == 2
    assert store.ids() == sorted([by_hand, by_another, third, new])
    [act], _ = actions_on(store.folder, first)
    assert (act.act, act.text) == ("deleted", "the retention of saved query board")
    assert prune(store, Retention(max_size="2MB"), {new: report}, "board", set) == 0
    assert prune(store, Retention(max_size="1MB", keep_last=2), {second: report}, "board", set) == 0


def test_a_new_snapshot_is_kept_even_if_it_alone_is_too_large(tmp_path: Path) -> None:
    store, report = Store(tmp_path / "store"), make_report()
    about = {"query": report.query.to_dict(), "source": report.info.source, "saved_query": "board"}
    old, new = (
        store.publish(
            {**about, "generated_at": f"2026-0{month}-01T00:00:00Z"}, {"report.html": bytes(1_500_000)}
        )
        for month in (1, 2)
    )
    assert prune(store, Retention(max_size="1MB"), {new: report}, "board", set) == 1
    assert store.ids() == [new] != [old]


def test_a_size_is_a_whole_number_of_mb_gb_or_tb() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert Retention(max_size="5GB").rule(now).max_bytes == 5_000_000_000
    assert Retention(max_size="5GB").to_dict() == {"max_size": "5GB"}
    for wrong in ("5", "5 GB", "0GB", "5gb", "1.5GB"):
        with pytest.raises(SavedQueryError, match=r"retention\.max_size: .* is not a size"):
            Retention(max_size=wrong)
    with pytest.raises(SavedQueryError, match=r"retention\.max_size"):
        Retention(max_size=5)  # type: ignore[arg-type]


def test_only_what_this_saved_query_made_of_this_query_and_source_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, report = Store(tmp_path / "store"), make_report()
    about = {"query": report.query.to_dict(), "source": report.info.source}

    def made(month: int, **more: object) -> str:
        instant = f"2026-{month:02}-01T00:00:00Z"
        return store.publish({**about, "generated_at": instant, **more}, {"report.html": b"x"})

    own, waiting = made(1, saved_query="board"), made(2, saved_query="board")
    recorded, by_hand = made(3), made(4)
    others = [
        made(5, saved_query="other"),
        made(6, saved_query="board", source="another"),
        made(7, saved_query="board", query={**report.query.to_dict(), "currency": "EUR"}),
    ]
    kept, new = made(8, saved_query="board"), made(9, saved_query="board")
    asked: list[int] = []

    def records() -> set[str]:
        asked.append(1)
        return {recorded, own}

    def pruned(keep_last: int) -> int:
        return prune(store, Retention(keep_last=keep_last), {new: report}, "board", records, {waiting})

    assert pruned(4) == 0
    with monkeypatch.context() as patched:
        patched.setattr(os, "getuid", lambda: 10_000_019)  # another user's
        assert pruned(1) == 0
    assert pruned(2) == 1
    assert store.ids() == sorted([waiting, recorded, by_hand, *others, kept, new])
    assert pruned(1) == 2
    assert store.ids() == sorted([waiting, by_hand, *others, new])
    assert len(asked) <= 3  # the records are read once each time


def test_the_records_are_not_read_if_every_snapshot_names_its_saved_query(tmp_path: Path) -> None:
    store, report = Store(tmp_path / "store"), make_report()
    about = {"query": report.query.to_dict(), "source": report.info.source, "saved_query": "board"}
    made = [
        store.publish({**about, "generated_at": f"2026-0{n}-01T00:00:00Z"}, {"report.html": b"x"})
        for n in (1, 2, 3)
    ]

    def records() -> set[str]:
        raise AssertionError

    assert prune(store, Retention(keep_last=1), {made[2]: report}, "board", records) == 2
    assert store.ids() == [made[2]]
