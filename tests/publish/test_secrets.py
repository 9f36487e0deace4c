"""No snapshot holds a password, an address of a source or a path of this machine, in any form."""

from __future__ import annotations

import base64
import html
import io
import json
import random
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import nbformat.v4 as v4
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import SnapshotError
from custdyn_widgets.notebook.author_cells import author_sections
from custdyn_widgets.notebook.run import run_template
from custdyn_widgets.publish.freezing import freeze, publish, report_files
from custdyn_widgets.publish.secrets.known import known_secrets
from custdyn_widgets.publish.secrets.search import refuse_secrets, without_secrets
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.page import Section
from custdyn_widgets.report.report import Report
from custdyn_widgets.settings import Settings
from custdyn_widgets.settings import load as load_settings
from custdyn_widgets.snapshots.store import Store
from tests.make_report import INFO, make_report
from tests.notebook.test_notebook_run import FREEZE, GIVEN, MAKE, template

PASSWORD = 'Tr0ub"a/d&our é'
URL = f"postgresql+psycopg://reader:{quote(PASSWORD, safe='')}@db.example:5432/billing?sslmode=require"
HOME = Path("/home/anna berg")
STORE = Path("/srv/dynamics/snapshots")


def settings(**changes: object) -> Settings:
    there = Settings(snapshots=STORE, queries=Path("/srv/queries"), cache=Path("/var/cache/custdyn"))
    return replace(there, **changes)  # type: ignore[arg-type]


def refusal(
    data: bytes | str,
    name: str = "report.html",
    env: dict[str, str] | None = None,
    home: Path = HOME,
    own: Settings | None = None,
) -> str:
    """Return the message with which a file is refused, or an empty text."""
    kept = known_secrets(
        own or settings(), environ={"CUSTDYN_SOURCE_SHOP_URL": URL} if env is None else env, home=home
    )
    try:
        refuse_secrets({name: data if isinstance(data, bytes) else data.encode()}, kept)
    except SnapshotError as error:
        return error.message
    return ""


def zipped(text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", f"<c><is><t>{html.escape(text)}</t></is></c>" * 5)
    return packed.getvalue()


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def in_metadata(text: str, *, of_field: bool) -> bytes:
    about = {"note": f"see {text}"}
    field = pa.field("n", pa.int64(), metadata=about if of_field else None)
    schema = pa.schema([field], metadata=None if of_field else about)
    return parquet(pa.Table.from_arrays([pa.array([1])], schema=schema))


def in_base64(kind: str, data: bytes) -> bytes:
    return f'<img src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'.encode()


def numeric_entities(text: str) -> str:
    return "".join(f"&#{ord(c)};" if n % 2 else f"&#x{ord(c):X};" for n, c in enumerate(text))


FORMS = {
    "as it is": lambda s: s.encode(),
    "in the entities of HTML": lambda s: html.escape(s).encode(),
    "in numeric entities": lambda s: numeric_entities(s).encode(),
    "in JSON": lambda s: json.dumps({"a": s}).encode(),
    "in JSON, every character escaped": lambda s: "".join(f"\\u{ord(c):04x}" for c in s).encode(),
    "in JSON with escaped slashes": lambda s: json.dumps(s).replace("/", "\\/").encode(),
    "percent-encoded": lambda s: quote(s, safe="").encode(),
    "percent-encoded in small letters": lambda s: (
        re.sub("%..", lambda m: m[0].lower(), quote(s, safe="")).encode()
    ),
    "percent-encoded in an attribute in JSON": lambda s: json.dumps(html.escape(quote(f'"{s}"'))).encode(),
    "in JSON in an attribute": lambda s: html.escape(json.dumps(s)).encode(),
    "in a drawing in a page": lambda s: in_base64("svg+xml", f"<svg>{html.escape(s)}</svg>".encode()),
    "in a picture's own words": lambda s: in_base64("png", b"\x89PNG\0tEXtSource\0" + s.encode() + b"\xff"),
    "in a workbook": zipped,
    "in a Parquet string": lambda s: parquet(pa.table({"Package Name": ["x", s] * 50})),
    "in a Parquet list": lambda s: parquet(pa.table({"tags": [["x"], ["y", s]]})),
    "as a Parquet column": lambda s: parquet(pa.table({s: [1]})),
    "in a Parquet column's metadata": lambda s: in_metadata(s, of_field=True),
    "in a Parquet schema's metadata": lambda s: in_metadata(s, of_field=False),
    "beside bytes that are no text": lambda s: b"\xff\xfe\x80" + s.encode() + b"\x80",
    "with accents apart": lambda s: s.replace("é", "e\u0301").encode(),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "secret", [PASSWORD, URL, f"{HOME}/mart", str(STORE)], ids=["password", "url", "home", "store"]
)
def test_a_secret_is_found(form: str, secret: str) -> None:
    found = refusal(FORMS[form](secret), "a-file.bin")
    assert found.startswith("Nothing was published: a-file.bin contains the ")
    assert secret not in found
    assert PASSWORD not in found


@pytest.mark.parametrize(
    "form", sorted(FORMS.keys() - {"in a picture's own words"})
)  # only known secrets there
def test_a_printed_dict_with_an_unknown_password_is_found(form: str) -> None:
    found = refusal(FORMS[form]("{'user': 'anna', 'password': 'by-the-sea'}"), "a-file.bin")
    assert "a-file.bin contains an address or an entry with a password" in found
    assert "by-the-sea" not in found


@pytest.mark.parametrize("form", FORMS)
def test_ordinary_text_is_not_found(form: str) -> None:
    assert refusal(FORMS[form]('Ann\'s "Best" plan & more, 100% – über 12345678.50')) == ""


def test_a_quote_in_a_csv_cell_hides_no_secret() -> None:
    doubled = PASSWORD.replace('"', '""')
    assert refusal(f'Month,Name\r\n2021-10,"{doubled}"\r\n', "report.csv").endswith(
        "report.csv contains the password for source SHOP. Fix that and freeze the report again."
    )


SAID = {
    PASSWORD: "the password for source SHOP",
    quote(PASSWORD, safe=""): "the password for source SHOP",
    URL: "the password for source SHOP",
    "postgresql+psycopg://reader:***@db.example:5432/billing": "the address for source SHOP",
    "postgresql+psycopg://db.example:5432/billing": "the address for source SHOP",
    "could not connect to db.example:5432/billing": "the address for source SHOP",
    f"read from {STORE}.": "the path of the snapshot store",
    f"file://{quote(str(HOME))}/x.csv": "the path of the home folder",
    "key-of-the-billing-system": "the value of BILLING_API_KEY",
    "scott:tiger": "the password for source OLD",
    "mysql://old.example/crm": "the address for source OLD",
    "Authorization: Basic c2NvdHQ6dGlnZXI=": "the password for source OLD",
    "from-an-option": "the password for source OLD",
    "dbpass1": "the password in DATABASE_URL",
}


@pytest.mark.parametrize("text", SAID)
def test_the_error_names_the_file_and_the_kind_and_not_the_secret(text: str) -> None:
    env = {
        "CUSTDYN_SOURCE_SHOP_URL": URL,
        "CUSTDYN_SOURCE_OLD_URL": "mysql://scott:tiger@old.example/crm?api_key=from-an-option",
        "BILLING_API_KEY": "key-of-the-billing-system",
        "DATABASE_URL": "postgresql://u:dbpass1@h/d",
    }
    found = refusal(f"<p>{html.escape(text)}</p>", env=env)
    assert found == (
        f"Nothing was published: report.html contains {SAID[text]}. Fix that and freeze the report again."
    )


@pytest.mark.parametrize(
    "name",
    [
        "X_PASSWORD", "PGPASSWORD", "db_passwd", "APP_SECRET", "GITHUB_TOKEN", "A_API_KEY", "DB_PASS",
        "MYSQL_PWD", "KEY_PASSPHRASE", "AWS_SECRET_ACCESS_KEY", "SECRET_KEY", "A_PRIVATE_KEY", "MAPS_APIKEY",
    ],
)  # fmt: skip
def test_values_of_variables_with_these_names_are_secret(name: str) -> None:
    assert f"the value of {name}." in refusal("it was 'correct horse'!", env={name: " correct horse\n"})
    assert refusal("it was 'correct horse'!", env={f"{name}_FILE": "correct horse"}) == ""


@pytest.mark.parametrize("name", ["SMTP_PASSWORD", "SMTP_TOKEN", "WEBHOOK_SECRET", "METRICS_TOKEN"])
def test_the_secret_in_a_file_that_a_setting_names_is_found(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    file.write_text("correct horse battery\n")
    found = refusal("it was 'correct horse battery'!", env={f"CUSTDYN_{name}_FILE": str(file)})
    assert f"CUSTDYN_{name}_FILE" in found
    assert "correct" not in found


@pytest.mark.parametrize("name", ["PWD", "OLDPWD", "COMPASS", "MONKEY", "KEYBOARD_KEY", "DB_PASS_FILE"])
def test_values_of_variables_with_similar_names_are_not_secret(name: str) -> None:
    assert refusal("the 'correct horse' it was", env={name: "correct horse"}) == ""


@pytest.mark.parametrize(
    "name", ["REDIS_URL", "SQLALCHEMY_DATABASE_URI", "AIRFLOW_CONN_CRM", "CUSTDYN_SMTP_URL", "https_proxy"]
)
def test_a_password_in_an_address_of_any_variable_is_secret(name: str) -> None:
    env = {name: "redis://me:sea-and-sand@cache.example:6379/0"}
    assert f"contains the password in {name}." in refusal("it is sea-and-sand", env=env)
    assert refusal("cache.example:6379/0, says me", env=env) == ""
    assert refusal("see https://pages.example", env={"HOMEPAGE": "https://pages.example"}) == ""


def test_a_password_equal_to_the_role_or_the_sources_name_is_found_only_with_its_user() -> None:
    env = {"CUSTDYN_SOURCE_LIVE_DATA_URL": "postgresql://analyst:analyst@db/live"}
    assert refusal('{"role":"analyst"}', "manifest.json", env) == ""
    assert "the password for source LIVE_DATA" in refusal("analyst:analyst", env=env)
    env = {"CUSTDYN_SOURCE_LIVE_DATA_URL": "postgresql://reader:live_data@db/live"}
    assert refusal('{"source":"live_data"}', "manifest.json", env) == ""
    assert "the password for source LIVE_DATA" in refusal("reader:live_data", env=env)


@pytest.mark.parametrize("name", ["report.html", "report.csv", "data.parquet", "manifest.json"])
def test_the_fixed_names_of_files_are_not_searched(name: str) -> None:
    env = {f"{word.upper()}_TOKEN": word for word in ("report", "parquet", "manifest")}
    assert refusal(b"", name, env) == ""
    assert "the title of a chart" in refusal(b"", "chart-2-my-report.svg", env)


@pytest.mark.parametrize(
    ("secret", "text", "found"),
    [
        ("gold1", "gold1", False),  # too short: an ordinary word may be one
        ("tiger7", "a,tiger7,b", True),
        ("tiger7", "tiger72 and atiger7", False),
        ("hunter22", "xhunter22x", True),
        ("20211031", "20211031", True),
        ("20211031", "1120211031 and 20211031.50 and 5.20211031", False),
        ("", "anything", False),
        ("   ", "anything   at all", False),
    ],
)
def test_short_and_numeric_secrets_are_found_only_as_separate_words(
    secret: str, text: str, found: bool
) -> None:
    assert bool(refusal(text, env={"THE_TOKEN": secret})) == found


@pytest.mark.parametrize(
    ("home", "text", "found"),
    [
        ("/home/anna", "/home/anna", True),
        ("/home/anna", "see /home/anna/x", True),
        ("/home/anna", "it is in /home/anna.", True),
        ("/home/anna", "'/home/anna'", True),
        ("/home/anna", "/home/annabel and /home/anna-2 and /home/anna.old", False),
        ("/home/anna", "/old/home/anna", False),
        ("/home/anna", "https://pages.example/home/anna", False),
        ("/home/änna", "/home/a\u0308nna", True),
        ("/root", "/root/.ssh", True),
        ("/root", "the /root of all evil, and/root", False),
        ("/data", "voice/data/sms, Voice /data 5 GB", False),
        ("/", "either/or and / and //", False),
    ],
)
def test_a_folder_is_found_as_a_whole_and_an_ordinary_word_is_not_one(
    home: str, text: str, found: bool
) -> None:
    assert bool(refusal(text, env={}, home=Path(home))) == found


def test_a_path_behind_a_symbolic_link_is_found_too(tmp_path: Path) -> None:
    real, alias = tmp_path / "real", tmp_path / "alias"
    real.mkdir()
    alias.symlink_to(real)
    for path in (real, alias):
        assert "home folder" in refusal(f"{path}/x", home=alias)


def test_the_address_of_links_is_public() -> None:
    env = {"CUSTDYN_SOURCE_WEB_URL": "https://reports.example"}
    text = "see https://reports.example/view?id=x"
    assert refusal(text, env=env)
    assert refusal(text, env=env, own=settings(share_url="https://reports.example")) == ""


CONNECTIONS = """[billing]
drivername = postgresql
username = reader
password = open%%sesame
host = db.example
port = 5433
database = live

[lake]
url = trino://me:sea-and-sand@lake.example/x
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".jupysql").mkdir()
    (tmp_path / ".jupysql" / "connections.ini").write_text(CONNECTIONS)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("open%sesame", "password for connection billing"),
        ("db.example:5433/live", "address for connection billing"),
        ("sea-and-sand", "password for connection lake"),
    ],
)
def test_the_connections_of_jupysql_are_secret(home: Path, text: str, kind: str) -> None:
    assert f"the {kind}." in refusal(text, env={}, home=home)
    assert refusal("postgresql", env={}, home=home) == ""


def test_invalid_connections_raise_an_error_without_their_content(home: Path) -> None:
    (home / ".jupysql" / "connections.ini").write_bytes(b"password open sesame\n")
    with pytest.raises(SnapshotError, match=r"connections\.ini") as caught:
        known_secrets(settings(), environ={}, home=home)
    assert "sesame" not in caught.value.message
    (home / ".jupysql" / "connections.ini").write_bytes(b"[a]\npassword = \xff\xff\n")
    with pytest.raises(SnapshotError, match=r"connections\.ini"):
        known_secrets(settings(), environ={}, home=home)


@pytest.mark.parametrize("data", [b"PK\x03\x04 and no more", b"PAR1 and no more", zipped("x" * 99)[:-30]])
def test_a_packed_file_that_cannot_be_unpacked_is_refused(data: bytes) -> None:
    assert "report.xlsx cannot be searched for secrets" in refusal(data, "report.xlsx")


def test_a_file_name_that_is_the_secret_is_not_repeated() -> None:
    found = refusal(b"", "chart-1-sea-and-sand.svg", env={"A_TOKEN": "sea-and-sand"})
    assert "contains the value of A_TOKEN" in found
    assert "sand" not in found


def test_the_repr_of_a_secret_does_not_show_it() -> None:
    kept = known_secrets(settings(), environ={"A_TOKEN": "sea-and-sand"}, home=HOME)
    assert "sand" not in repr(kept)


# --- where reports are published


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("CUSTDYN_SNAPSHOTS", str(tmp_path / "store"))
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", "/home/anna")
    monkeypatch.setenv("CUSTDYN_SOURCE_SHOP_URL", "postgresql://reader:Silver-Bundle@db.example/billing")
    for name in ("CUSTDYN_CONFIG", "CUSTDYN_STAGING", "CUSTDYN_STAGING_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    yield Store(tmp_path / "store")
    assert not (tmp_path / "store").exists()


def mart(package: str) -> dict[str, pd.DataFrame]:
    clients = pd.DataFrame(
        {"client_id": ["1"], "client_type": ["client"], "currency": ["USD"], "created_at": ["2021-01-01"]}
    )
    transactions = pd.DataFrame(
        {
            "transaction_id": ["1"],
            "client_id": ["1"],
            "at": ["2021-02-01"],
            "kind": ["package_renewal"],
            "amount": ["-5"],
            "package_id": [package],
        }
    )
    return {"clients": clients, "transactions": transactions}


def test_a_package_that_is_called_like_a_password_is_not_published(store: Store) -> None:
    query = ReportQuery.from_dict(
        {"interval": {"start": "2021-01-01", "end": "2021-12-31"}, "group_by": ["package"]}
    )
    report = run_report(query, mart("Silver-Bundle"))
    with pytest.raises(SnapshotError, match=r"report\.json contains the password for source SHOP\."):
        freeze(report)


def test_an_authors_note_that_names_the_home_folder_is_not_published(store: Store) -> None:
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("Read from `/home/anna/exports/2021.csv`.")])
    with pytest.raises(SnapshotError, match=r"report\.html contains the path of the home folder\."):
        publish(make_report(2), load_settings(), sections=author_sections(notebook))


def test_an_authors_drawing_that_names_the_home_folder_is_not_published(store: Store) -> None:
    drawing = '<svg xmlns="http://www.w3.org/2000/svg"><text>/home/anna/x.csv</text></svg>'
    with pytest.raises(SnapshotError, match=r"report\.html contains the path of the home folder\."):
        publish(make_report(2), load_settings(), sections=[Section("svg", drawing)])


def test_a_manifest_that_holds_the_stores_path_is_not_published(store: Store) -> None:
    report = make_report(2, info=replace(INFO, warnings=(f"Look into {store.folder}.",)))
    with pytest.raises(SnapshotError, match="contains the path of the snapshot store"):
        freeze(report)


@pytest.mark.slow
def test_a_run_whose_cell_prints_the_home_folder_publishes_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "anna"))
    path = template(tmp_path, MAKE, "import pathlib; print('from', pathlib.Path.home())", FREEZE)
    with pytest.raises(SnapshotError, match=r"report\.html contains the path of the home folder\."):
        run_template(path, GIVEN, settings=load_settings())


@pytest.mark.parametrize("file", ["report.json", "data.parquet", "report.csv", "report.html", "report.xlsx"])
def test_every_file_of_a_report_is_searched(file: str) -> None:
    report: Report = make_report(2, packages=("Basic", PASSWORD))
    assert "the password for source SHOP" in refusal(report_files(report)[file], file)
    assert refusal(report_files(make_report(2, packages=("Basic",)))[file], file) == ""


def test_secrets_in_a_message_are_replaced_by_their_kind() -> None:
    env = {"CUSTDYN_SOURCE_SHOP_URL": URL, "JOB_TOKEN": "123456"}
    kept = known_secrets(settings(), environ=env, home=Path("/home/anna"))
    said = f"{URL} refused {PASSWORD}, token 123456, in /home/anna/billing, /home/annabel and 1234567"
    assert without_secrets(said, kept) == (
        "[the address for source SHOP] refused [the password for source SHOP], token "
        "[the value of JOB_TOKEN], in [the path of the home folder]/billing, /home/annabel and 1234567"
    )


@pytest.mark.parametrize(
    "form", ["https://anna:sea-and-sand@host/x", "https%3A%2F%2Fanna%3Asea-and-sand%40host"]
)
def test_any_address_with_a_password_is_refused_wherever_it_came_from(form: str) -> None:
    assert "report.html contains an address or an entry with a password." in refusal(f"<p>{form}</p>", env={})
    assert refusal("<p>https://anna:***@host/x and https://host:8080/@anna</p>", env={}) == ""


@pytest.mark.parametrize("seed", [1004, 28, 1, 2, 3])
def test_packed_bytes_are_no_address_by_chance(seed: int) -> None:
    assert refusal(random.Random(seed).randbytes(2_000_000), name="report.xlsx", env={}) == ""


def test_words_about_a_failure_have_the_password_of_any_address_masked() -> None:
    assert without_secrets("no a://b:c@d", []) == "no a://b:***@d"
