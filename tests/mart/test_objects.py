"""A mart on object storage is read as the same files in a folder are: copied once, and only changes later."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from custdyn_widgets import Source, progress, settings
from custdyn_widgets.cli import commands as cli
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import MartError, SavedQueryError, SourceError
from custdyn_widgets.mart.objects import copying, listing, transfer
from custdyn_widgets.mart.objects.address import is_plain_name, object_address
from custdyn_widgets.mart.opening import open_mart
from custdyn_widgets.mart.reading import files
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.mart.sources import absolute_source
from custdyn_widgets.publish.secrets.known import known_secrets
from custdyn_widgets.saved_queries.checks import check_path
from tests.golden_answers import wrong_cells_of
from tests.mart.test_mart import CSV, EVERYONE, changed, folder
from tests.object_storage import BUCKET, LONG_AGO, ObjectStorage, object_storage

GOLDEN = Path(__file__).parents[1] / "golden"
URL = f"s3://{BUCKET}/mart"
ASKED = ("--interval", "2021-01-01/2021-03-31", "--as-of", "2021-04-01", "--client-type", "all")


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStorage]:
    """An object storage that the environment points to, and an empty cache."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with object_storage() as running:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "reader")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sea-and-sand")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.endpoint)
        monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("CUSTDYN_SOURCES", str(tmp_path / "sources.toml"))
        monkeypatch.chdir(tmp_path)
        yield running


@pytest.fixture
def mart(storage: ObjectStorage, tmp_path: Path) -> ObjectStorage:
    """A storage with the mart of `tests/mart/test_mart.py`."""
    storage.put_folder(folder(tmp_path / "local"), "mart")
    return storage


def custdyn(*args: object) -> Result:
    result = CliRunner().invoke(cli.main, [str(a) for a in args])
    assert "Traceback" not in result.output
    return result


def rows(source: Any = URL) -> Any:
    return run_report(EVERYONE, source, as_of="2021-04-01").rows


def refused(source: Any = URL) -> str:
    with pytest.raises(SourceError) as caught:
        open_mart(source)
    return caught.value.message


def copies() -> list[Path]:
    return sorted((settings.load().cache / "objects").glob("*/*"))


def write_parts(mart: Path, target: Path) -> None:
    """Write a mart of CSV files as Parquet with text, the ledger in parts of some rows each."""
    target.mkdir()
    for file in mart.iterdir():
        text = duckdb.read_csv(str(file), all_varchar=True).to_arrow_table()
        text = text.replace_schema_metadata(None)
        if file.stem != "transactions":
            pq.write_table(text, target / f"{file.stem}.parquet")
            continue
        (target / "transactions.parquet").mkdir()
        half = text.num_rows // 2
        for number, part in enumerate((text.slice(0, half), text.slice(half))):
            pq.write_table(part, target / "transactions.parquet" / f"part-{number}.parquet")
        (target / "transactions.parquet" / "_SUCCESS").touch()


# The same answers.


@pytest.mark.parametrize("name", ["edges", "moves"])
def test_a_golden_mart_of_csv_files_gives_the_golden_tables(storage: ObjectStorage, name: str) -> None:
    storage.put_folder(GOLDEN / name / "mart", "golden/mart")
    assert wrong_cells_of(name, f"s3://{BUCKET}/golden/mart") == []


def test_a_golden_mart_in_parts_gives_the_golden_tables(storage: ObjectStorage, tmp_path: Path) -> None:
    write_parts(GOLDEN / "small" / "mart", tmp_path / "parts")
    storage.put_folder(tmp_path / "parts", "parts")
    assert wrong_cells_of("small", f"s3://{BUCKET}/parts") == []


def test_a_duckdb_file_is_read_too(storage: ObjectStorage, tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "archive.duckdb")) as connection:
        for file in folder(tmp_path / "local").iterdir():
            connection.execute(f"CREATE TABLE {file.stem} AS FROM read_csv('{file}', all_varchar = true)")
    storage.put("archive.duckdb", (tmp_path / "archive.duckdb").read_bytes())
    assert rows(f"s3://{BUCKET}/archive.duckdb") == rows(tmp_path / "local")


def test_a_bucket_may_be_the_folder(storage: ObjectStorage, tmp_path: Path) -> None:
    for file in folder(tmp_path / "local").iterdir():
        storage.put(file.name, file.read_bytes())
    mart = open_mart(f"s3://{BUCKET}/")
    assert mart.name == BUCKET


def test_commands_take_an_address_and_show_only_its_last_component(mart: ObjectStorage) -> None:
    local = custdyn("query", "--source", "local", *ASKED, "--format", "csv")
    found = custdyn("query", "--source", URL, *ASKED, "--format", "csv")
    assert (found.exit_code, found.stdout) == (0, local.stdout)
    told = custdyn("query", "--source", URL, *ASKED, "--format", "json")
    assert '"source": "mart"' in told.stdout or '"mart"' in told.stdout
    assert BUCKET not in told.stdout
    assert custdyn("check", URL).exit_code == 0
    assert absolute_source(URL) == URL


def test_a_name_stands_for_an_address_with_its_endpoint(
    mart: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    (tmp_path / "sources.toml").write_text(
        f'[shop]\npath = "{URL}"\nendpoint = "{mart.endpoint}"\nregion = "eu-central-1"\n', encoding="utf-8"
    )
    report = run_report(EVERYONE, "shop", as_of="2021-04-01")
    assert (report.info.source, report.rows) == ("shop", rows(tmp_path / "local"))
    assert absolute_source("shop") == "shop"
    assert rows(Source(URL, endpoint=mart.endpoint)) == report.rows


def test_data_is_as_of_the_last_change_of_an_object_that_is_read(mart: ObjectStorage) -> None:
    mart.put("mart/transactions.csv", mart.objects["mart/transactions.csv"].data, LONG_AGO + 500)
    mart.put("mart/notes.md", b"x", LONG_AGO + 900)
    assert open_mart(URL).data_as_of == LONG_AGO + 500


def test_faults_are_named_as_those_of_files(mart: ObjectStorage) -> None:
    mart.put("mart/transactions.csv", changed("transactions", "-2.25", "two")["transactions"].encode())
    with pytest.raises(MartError, match=r"transactions\.csv, row \d+, amount: 'two'"):
        open_mart(URL)
    assert [fault.value for fault in check_source(URL).faults] == ["two"]


def test_a_mapping_reads_an_export_on_object_storage(storage: ObjectStorage, tmp_path: Path) -> None:
    storage.put("exports/people.csv", b"id\na\n")
    storage.put("exports/moves/2021.csv", b"id,who,day,amount\n1,a,2021-02-01,5\n")
    (tmp_path / "mine.sql").write_text(
        "-- :name clients\nSELECT id AS client_id, 'client' AS client_type, 'USD' AS currency, "
        "'2021-01-01' AS created_at FROM people\n"
        "-- :name transactions\nSELECT id AS transaction_id, who AS client_id, day AS at, 'refill' AS kind, "
        "number(amount) AS amount FROM moves\n"
    )
    source = Source(f"s3://{BUCKET}/exports", mapping=tmp_path / "mine.sql")
    before = rows(source)
    storage.put("exports/moves/2022.csv", b"id,who,day,amount\n2,a,2021-02-02,6\n")
    assert rows(source) != before
    assert len(list((settings.load().cache / "mapped").iterdir())) == 1


# Only what changed is transferred.


def test_nothing_is_read_again_until_something_changes(mart: ObjectStorage) -> None:
    first = rows()
    assert "mart/transactions.csv" in mart.reads()
    assert rows() == first
    assert mart.reads() == []
    assert len(copies()) == 1


def test_only_an_added_part_is_read(storage: ObjectStorage, tmp_path: Path) -> None:
    write_parts(folder(tmp_path / "local"), tmp_path / "parts")
    ledger = "mart/transactions.parquet"
    storage.put_folder(tmp_path / "parts", "mart")
    second = storage.objects.pop(f"{ledger}/part-1.parquet")
    before = rows()
    storage.reads()
    storage.put(f"{ledger}/part-1.parquet", second.data)
    after = rows()
    assert storage.reads() == [f"{ledger}/part-1.parquet"]
    assert after == rows(tmp_path / "local") != before


def test_the_facts_of_other_parts_come_from_the_cache(
    storage: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parts(folder(tmp_path / "local"), tmp_path / "parts")
    storage.put_folder(tmp_path / "parts", "mart")
    second = storage.objects.pop("mart/transactions.parquet/part-1.parquet")
    rows()
    opened: list[str] = []
    real = files.parquet_ledger
    monkeypatch.setattr(
        files, "parquet_ledger", lambda path, **o: (opened.append(path.name), real(path, **o))[1]
    )
    storage.put("mart/transactions.parquet/part-1.parquet", second.data)
    assert rows() == rows(tmp_path / "local")
    assert opened == ["part-1.parquet"]


def test_a_replaced_object_is_read_and_a_deleted_one_is_gone(mart: ObjectStorage, tmp_path: Path) -> None:
    rows()
    mart.reads()
    new = changed("transactions", "-2.25", "-2.75")["transactions"].encode()
    mart.put("mart/transactions.csv", new, LONG_AGO + 1)
    assert rows() == rows(folder(tmp_path / "new", transactions=new))
    assert mart.reads() == ["mart/transactions.csv"]
    del mart.objects["mart/rates.csv"]
    assert open_mart(URL).facts.names.quotes == {}
    del mart.objects["mart/clients.csv"]
    assert "'mart' has no clients.csv or clients.parquet" in refused()


def test_an_object_replaced_within_the_second_is_read_again(
    mart: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = CSV["transactions"].encode()
    mart.put("mart/transactions.csv", old, LONG_AGO + 60)
    monkeypatch.setattr("time.time_ns", lambda: (LONG_AGO + 60) * 10**9)
    first = rows()
    mart.put("mart/transactions.csv", old.replace(b"-2.25", b"-2.75"), LONG_AGO + 60)
    assert rows() != first


def test_other_objects_are_not_read_but_named(mart: ObjectStorage) -> None:
    mart.put("mart/backup.tar", b"x" * 1000)
    mart.put("mart/logs/2021.csv", b"x" * 1000)
    open_mart(URL)
    assert mart.reads() == [f"mart/{name}.csv" for name in sorted(CSV)]
    mart.put("mart/Packages.CSV", b"x")
    del mart.objects["mart/packages.csv"]
    assert "has 'Packages.CSV', which is not read: rename it to packages.csv" in refused()
    del mart.objects["mart/Packages.CSV"]
    open_mart(URL)


def test_facts_stay_in_the_cache_when_only_other_objects_change(mart: ObjectStorage) -> None:
    open_mart(URL)
    mart.put("mart/notes.md", b"x")
    open_mart(URL)
    assert len(list((settings.load().cache / "facts").iterdir())) == 1


def test_a_copy_that_was_altered_is_made_again(mart: ObjectStorage) -> None:
    first = rows()
    (copy,) = copies()
    (copy / "mart" / "transactions.csv").write_bytes(b"")
    assert rows() == first


def test_old_copies_are_removed_an_hour_after_their_last_use(mart: ObjectStorage) -> None:
    open_mart(URL)
    (old,) = copies()
    killed = old.with_name(".building-0")
    killed.mkdir()
    mart.put("mart/notes.md", b"x")
    open_mart(URL)
    assert old in copies()
    for path in (old, killed):
        os.utime(path, (1, 1))
    open_mart(URL)
    assert old not in copies()
    assert not killed.exists()
    (new,) = copies()
    os.utime(new, (1, 1))
    open_mart(URL)
    assert new.stat().st_mtime > 1  # it was used


@pytest.mark.parametrize(("age", "is_read_again"), [(2, True), (3, False), (4, False)])
def test_what_was_stored_just_before_it_was_listed_is_read_again(
    mart: ObjectStorage, monkeypatch: pytest.MonkeyPatch, age: int, is_read_again: bool
) -> None:
    """A service that stores whole seconds would give a later object the same time."""
    mart.put("mart/transactions.csv", CSV["transactions"].encode(), LONG_AGO + 60)
    monkeypatch.setattr("time.time_ns", lambda: (LONG_AGO + 60 + age) * 10**9)
    open_mart(URL)
    mart.reads()
    open_mart(URL)
    assert mart.reads() == (["mart/transactions.csv"] if is_read_again else [])


def test_a_copy_is_removed_if_it_was_not_used_for_more_than_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 10_000.0)
    for name, age in (("kept", 9000), ("old", 3601), ("young", 3600)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (10_000 - age, 10_000 - age))
    copying._remove_unused(tmp_path, keep=tmp_path / "kept")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "young"]


def test_without_hard_links_what_was_copied_is_copied_from_the_last_copy(
    mart: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    rows()
    mart.reads()
    monkeypatch.setattr(os, "link", no_link)
    mart.put("mart/rates.csv", CSV["rates"].encode(), LONG_AGO + 1)
    assert rows() == rows(tmp_path / "local")
    assert mart.reads() == ["mart/rates.csv"]


def test_what_another_process_removed_from_the_last_copy_is_read_again(
    mart: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    rows()
    mart.reads()
    monkeypatch.setattr(os, "link", gone)
    mart.put("mart/rates.csv", CSV["rates"].encode(), LONG_AGO + 1)
    assert rows() == rows(tmp_path / "local")
    assert mart.reads() == [f"mart/{name}.csv" for name in sorted(CSV)]


def test_a_copy_is_private_and_on_disk_before_it_is_used(
    mart: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk: list[int] = []
    fsync = os.fsync

    def synced(descriptor: int) -> None:
        on_disk.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    open_mart(URL)
    (copy,) = copies()
    assert copy.stat().st_mode & 0o077 == 0
    assert {len(text.encode()) for text in CSV.values()} <= {*on_disk}


def test_a_copy_that_takes_long_is_not_taken_for_abandoned(
    mart: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def age(request: str) -> None:
        if request == "GET mart/clients.csv":  # the first of them
            (building,) = (settings.load().cache / "objects").glob("*/.building-*")
            os.utime(building, (1, 1))

    monkeypatch.setattr(transfer, "_AT_ONCE", 1)
    mart.before = age
    open_mart(URL)
    (copy,) = copies()
    assert copy.stat().st_mtime > 1


def test_tables_are_found_among_more_names_than_are_compared(
    storage: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_NAMES", 3)
    local = folder(tmp_path / "local")
    storage.put_folder(local, "mart")
    rates = storage.objects.pop("mart/rates.csv")
    storage.put("mart/rates.csv.gz", gzip.compress(rates.data))
    for number in range(4):
        storage.put(f"mart/a{number}.txt", b"")
    assert rows() == rows(local)
    (copy,) = copies()
    assert [path.name for path in sorted((copy / "mart").glob("*.txt"))] == ["a0.txt", "a1.txt", "a2.txt"]


def test_a_listing_of_many_pages_is_read_to_its_end(storage: ObjectStorage, tmp_path: Path) -> None:
    storage.page = 2
    storage.put_folder(folder(tmp_path / "local"), "mart")
    for number in range(7):
        storage.put(f"mart/a{number}.txt", b"")
    assert rows() == rows(tmp_path / "local")


# Failures leave nothing, or what was there.


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ((403, "AccessDenied"), "access was denied. The user needs the s3:ListBucket permission"),
        ((403, "InvalidAccessKeyId"), "the credentials were rejected, or have expired"),
        ((403, "SignatureDoesNotMatch"), "the credentials were rejected, or have expired"),
        ((400, "ExpiredToken"), "the credentials were rejected, or have expired"),
        ((301, "PermanentRedirect"), "the bucket is in another region. Set its region"),
        ((400, "AuthorizationHeaderMalformed"), "the bucket is in another region. Set its region"),
        (
            (403, "RequestTimeTooSkewed"),
            "the storage service rejected the request because this machine's clock is wrong. Correct it",
        ),
        ((400, "Strange"), "the storage service responded: When listing objects"),
    ],
)
def test_a_refused_listing_says_what_to_do(mart: ObjectStorage, code: tuple[int, str], words: str) -> None:
    mart.denied["LIST"] = code
    message = refused()
    assert f"Source '{URL}': {words}" in message
    assert "sea-and-sand" not in message


@pytest.mark.parametrize("verb", ["HEAD", "GET"])
def test_a_refused_object_leaves_no_copy(mart: ObjectStorage, verb: str) -> None:
    mart.denied[f"{verb} mart/transactions.csv"] = (403, "AccessDenied")
    assert "access was denied" in refused()
    assert copies() == []
    mart.denied.clear()
    assert rows()


def test_a_server_that_is_gone_half_way_leaves_the_last_copy(mart: ObjectStorage, tmp_path: Path) -> None:
    rows()
    before = copies()
    for name in CSV:
        mart.put(f"mart/{name}.csv", CSV[name].encode(), LONG_AGO + 1)
    mart.down_after = len(mart.requests) + 4
    result = custdyn("query", "--source", URL, *ASKED)
    assert result.exit_code == 1
    assert (
        "the storage service cannot be reached (Empty reply from server). Check the network" in result.stderr
    )
    assert copies() == before
    mart.down_after = None
    assert rows() == rows(tmp_path / "local")


def test_a_service_that_is_not_there_is_an_error(storage: ObjectStorage) -> None:
    source = Source(URL, endpoint="http://127.0.0.1:1")
    assert "the storage service cannot be reached" in refused(source)


def test_a_misspelt_bucket_or_folder_is_named(mart: ObjectStorage) -> None:
    assert "'s3://biling/mart': there is no such bucket. Check its name" in refused("s3://biling/mart")
    assert f"'s3://{BUCKET}/Mart' contains no objects. Check the name" in refused(f"s3://{BUCKET}/Mart")
    assert f"is an object. Use its folder: {URL}." in refused(f"{URL}/clients.csv")


def test_an_object_that_changes_while_it_is_read_is_read_again(mart: ObjectStorage, tmp_path: Path) -> None:
    new = changed("transactions", "-2.25", "-2.75")["transactions"].encode()

    def replace(request: str) -> None:
        if request == "GET mart/transactions.csv":  # after its size and ETag were read
            mart.put("mart/transactions.csv", new)

    mart.before = replace
    assert rows() == rows(folder(tmp_path / "new", transactions=new))


def test_objects_that_keep_changing_are_an_error(mart: ObjectStorage) -> None:
    def touch(request: str) -> None:
        if request == "GET mart/clients.csv":
            mart.put("mart/transactions.csv", CSV["transactions"].encode(), LONG_AGO + len(mart.requests))

    mart.before = touch
    assert "kept changing while it was being copied" in refused()
    assert copies() == []
    assert mart.requests.count("LIST mart/") == 4  # before and after each of two tries


def test_an_object_deleted_while_it_is_copied_is_noticed(mart: ObjectStorage) -> None:
    def delete(request: str) -> None:
        if request == "GET mart/rates.csv":
            mart.objects.pop("mart/rates.csv", None)

    mart.before = delete
    assert open_mart(URL).facts.names.quotes == {}


def test_an_interrupt_stops_the_transfer_and_leaves_no_copy(mart: ObjectStorage) -> None:
    class Stop:
        def step(self, words: str, done: float) -> None:  # noqa: ARG002
            if words.startswith("Copying"):
                raise KeyboardInterrupt

        def note(self, words: str) -> None: ...

    with pytest.raises(KeyboardInterrupt), progress.report_to(Stop()):
        open_mart(URL)
    assert copies() == []


def test_progress_is_the_share_of_bytes(mart: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[tuple[str, float]] = []

    class Listener:
        def step(self, words: str, done: float) -> None:
            steps.append((words, done))

        def note(self, words: str) -> None: ...

    monkeypatch.setattr(transfer, "_AT_ONCE", 1)
    with progress.report_to(Listener()):
        open_mart(URL)
    shares = [done for words, done in steps if words == f"Copying {len(CSV)} objects from {URL}"]
    assert shares[0] == 0
    assert 0 < shares[-1] <= 1
    assert shares == sorted(shares)
    assert steps[0] == (f"Listing {URL}", 0)


def test_a_disk_that_cannot_be_written_is_an_error(
    mart: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "file"))
    assert "cannot be written to" in refused()
    assert "CUSTDYN_CACHE" in refused()


# Hostile names.


@pytest.mark.parametrize(
    "name",
    ["../up.csv", "../../../tmp/up.csv", "/abs.csv", "./here.csv", "x\\..\\y.csv", "a\nb.csv", "\x1b[2J.csv"],
)
def test_a_hostile_name_beside_the_tables_is_left_out(mart: ObjectStorage, tmp_path: Path, name: str) -> None:
    before = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
    mart.put(f"mart/{name}", b"evil")
    assert rows() == rows(tmp_path / "local")
    assert {path for path in tmp_path.rglob("*") if "cache" not in path.parts} == before
    names = [path.name for copy in copies() for path in copy.rglob("*")]
    assert all(known in ("mart", *(f"{table}.csv" for table in CSV)) for known in names)


@pytest.mark.parametrize("name", ["a\nb.parquet", "x\\y.parquet", "\x1b[2J.parquet", f"{'n' * 250}.parquet"])
def test_a_part_with_a_hostile_name_is_an_error(storage: ObjectStorage, tmp_path: Path, name: str) -> None:
    write_parts(folder(tmp_path / "local"), tmp_path / "parts")
    storage.put_folder(tmp_path / "parts", "mart")
    storage.put(f"mart/transactions.parquet/{name}", b"evil")
    message = refused()
    assert "is not a valid file name. Rename it." in message
    assert message.isprintable()
    assert copies() == []


def test_parts_in_folders_are_refused_as_in_a_local_folder(storage: ObjectStorage, tmp_path: Path) -> None:
    write_parts(folder(tmp_path / "local"), tmp_path / "parts")
    storage.put_folder(tmp_path / "parts", "mart")
    storage.put("mart/transactions.parquet/month=1/x.parquet", b"evil")
    assert "contains the folder 'month=1', which is not read" in refused()
    storage.put("mart/transactions.parquet/_temporary/0/x.parquet", b"evil")
    assert "is still being written" in refused()


def test_an_object_named_like_a_folder_is_an_error(mart: ObjectStorage) -> None:
    mart.put("mart/clients.csv/part-0.csv", b"evil")
    assert "has both an object and a folder named 'clients.csv'. Delete one of them." in refused()


# Addresses without a login.


@pytest.mark.parametrize(
    "address",
    [
        "s3://reader:sea-and-sand@bucket/mart",
        "s3://reader:sea/and-sand@bucket/mart",
        "s3://sea-and-sand@bucket/mart",
        "s3a://reader:sea-and-sand@bucket/mart",
        "s3://bucket/mart?secret_key=sea-and-sand",
        "s3://bucket/mart?x=sea-and-sand",
        "s3://bucket/mart#sea-and-sand",
    ],
)
def test_an_address_with_a_login_or_options_is_refused_without_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    assert "sand" not in refused(address)
    assert "sand" not in custdyn("check", address).output
    monkeypatch.setenv("CUSTDYN_SOURCES", str(tmp_path / "sources.toml"))
    (tmp_path / "sources.toml").write_text(f'[shop]\npath = "{address}"\n', encoding="utf-8")
    result = custdyn("check", "shop")
    assert result.exit_code == 1
    assert "sand" not in result.output


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ('path = "s3://b/mart"', "has no valid bucket name. Write s3://bucket/folder."),
        ('path = "s3:///mart"', "has no valid bucket name. Write s3://bucket/folder."),
        ('path = "s3://bucket/../mart"', "has a component that is not a valid folder name"),
        ('path = "s3://bucket//mart"', "has a component that is not a valid folder name"),
        ('path = "s3://bucket/m"\nendpoint = "minio:9000"', "endpoint must be the URL of a storage service"),
        ('path = "s3://bucket/m"\nendpoint = "http://me@minio"', "endpoint must be the URL of a storage"),
        ('path = "s3://bucket/m"\nregion = "e u"', "region must be the name of a region"),
        (
            'path = "exports"\nregion = "eu-central-1"',
            "endpoint and region are allowed only for data on object storage",
        ),
        ('path = "s3://bucket/m"\nendpoint = "http://me:sea-and-sand@minio"', "contains a secret"),
        ('path = "s3://bucket/m"\naws_access_key_id = "sea-and-sand"', "contains a secret"),
    ],
)
def test_an_invalid_section_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, words: str
) -> None:
    monkeypatch.setenv("CUSTDYN_SOURCES", str(tmp_path / "sources.toml"))
    (tmp_path / "sources.toml").write_text(f"[shop]\n{section}\n", encoding="utf-8")
    result = custdyn("check", "shop")
    assert words in result.stderr
    assert "sand" not in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sync", "s3://bucket/mart"), "is not a database: reports read its files directly"),
        (("sync", "s3://me:sea-and-sand@bucket/mart"), "contains a login"),
        (("mapping", "new", "shop", "s3://bucket/mart"), "Download some of the bucket's files to a folder"),
        (("mapping", "new", "shop", "s3://me:sea-and-sand@bucket/mart"), "Download some of the bucket's"),
    ],
)
def test_other_commands_say_what_to_do_with_an_address(arguments: tuple[str, ...], words: str) -> None:
    result = custdyn(*arguments)
    assert result.exit_code
    assert words in result.stderr
    assert "sand" not in result.output


def test_a_schedule_takes_the_name_of_an_address_and_not_the_address() -> None:
    with pytest.raises(SavedQueryError, match=r"not a URL: give the source a name in sources\.toml"):
        check_path("source", URL)


def test_credentials_are_never_published(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = AKIAREADER\naws_secret_access_key = sea-and-sand\n"
        "[other]\naws_secret_access_key=land-and-air\naws_session_token = fire-and-ice\n"
    )
    env = {"AWS_SECRET_ACCESS_KEY": "salt-and-snow", "AWS_SESSION_TOKEN": "wind-and-rain"}
    texts = {secret.text for secret in known_secrets(settings.load(), environ=env, home=tmp_path)}
    assert texts > {"sea-and-sand", "land-and-air", "fire-and-ice", "salt-and-snow", "wind-and-rain"}


def test_an_endpoint_of_the_environment_is_validated(storage: ObjectStorage, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "localhost:9000")
    assert "AWS_ENDPOINT_URL_S3 must be the URL of a storage service" in refused()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", storage.endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")  # that for all services counts less
    assert "contains no objects" in refused()


@pytest.mark.parametrize(
    "endpoint",
    [
        "minio", "ftp://minio", "http://", "http://:9000", "http://minio:0", "http://minio:99999", "http://[",
        "http://me@minio", "http://minio/path", "http://minio?x=1", "http://minio/?x=1",
    ],
)  # fmt: skip
def test_an_endpoint_is_the_url_of_a_server(endpoint: str) -> None:
    with pytest.raises(SourceError, match="endpoint must be the URL of a storage service"):
        object_address("s3://bucket/mart", endpoint)
    for usual in ("http://minio", "https://minio.example:9000/", "http://127.0.0.1:1"):
        assert object_address("s3://bucket/mart", usual).endpoint == usual


@pytest.mark.parametrize(
    ("url", "path", "name"),
    [
        ("s3://bucket", "bucket", "bucket"),
        ("S3://bucket/", "bucket", "bucket"),
        ("s3a://bucket/a/b//", "bucket/a/b", "b"),
    ],
)
def test_an_address_is_a_bucket_and_a_path(url: str, path: str, name: str, monkeypatch: Any) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    address = object_address(url, region="eu-central-1")
    assert (address.path, address.url, address.name) == (path, f"s3://{path}", name)
    assert (address.endpoint, address.region) == (None, "eu-central-1")


def test_an_address_in_an_address_is_none() -> None:
    for url in ("s3://bucket/s3://mart", "s3://s3://bucket/mart"):
        with pytest.raises(SourceError):
            object_address(url)


def test_a_plain_name_is_the_name_of_a_file_anywhere() -> None:
    for name in ("a", ".a", "..a", "a b", "é" * 127 + "a", "n" * 255):
        assert is_plain_name(name)
    for name in ("", ".", "..", "a/b", "a\\b", "a\nb", "\x1b", "é" * 128, "n" * 256, "\ud800"):
        assert not is_plain_name(name)
