"""The report as an analyst writes it in pandas: a loop over the buckets, boolean masks, groupby.

Exact all the same: amounts are whole millionths in int64, each currency for itself; only the sums by
currency and quote date are converted, in exact fractions. Client ids become numbers once, by the merge
with the clients.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from . import answer
from .question import Question

FEES = ("usage", "package_activation", "package_renewal")


def check(folder: Path) -> None:
    """Raise ValueError unless ids are unique and every client, kind and package is known."""
    clients = pd.read_parquet(folder / "clients.parquet", columns=["client_id"])
    packages = pd.read_parquet(folder / "packages.parquet", columns=["package_id"])
    ledger = pd.read_parquet(
        folder / "transactions.parquet", columns=["transaction_id", "client_id", "kind", "package_id"]
    )
    faults = {
        "transaction_id": ledger.transaction_id.duplicated() | ledger.transaction_id.isna(),
        "client_id": ~ledger.client_id.isin(clients.client_id),
        "kind": ~ledger.kind.isin([*FEES, "refill", "other"]),
        "package_id": ledger.package_id.notna() & ~ledger.package_id.isin(packages.package_id),
    }
    bad = {name: int(mask.sum()) for name, mask in faults.items() if mask.any()}
    if bad or clients.client_id.duplicated().any():
        raise ValueError(f"faults: {bad or 'client_id'}")


def report(folder: Path, question: Question) -> answer.Table:
    """Return the table of the question."""
    clients = _chosen_clients(folder, question)
    ledger = _ledger(folder, clients)
    first = ledger.groupby("client")["at"].min().reindex(clients.index)
    clients["exists"] = pd.concat([clients["created_at"], first], axis=1).min(axis=1)
    edges = [pd.Timestamp(e, tz="UTC") for e in question.edges]
    windows = [pd.Timestamp(w, tz="UTC") for w in question.windows]
    flows: list[answer.Flow] = []
    stocks: list[answer.Stock] = []
    for bucket, (start, end, window) in enumerate(zip(edges, edges[1:], windows, strict=False)):
        stocks += _stocks(bucket, end, window, clients, ledger)
        flows += _flows(bucket, ledger[(ledger["at"] >= start) & (ledger["at"] < end)])
    rates = pd.read_parquet(folder / "rates.parquet")
    quotes = answer.Quotes(zip(rates["currency"], rates["date"], rates["units_per_base"], strict=True))
    return answer.table(question, quotes, flows, stocks)


def _chosen_clients(folder: Path, question: Question) -> pd.DataFrame:
    clients = pd.read_parquet(folder / "clients.parquet")
    clients["opening"] = (clients["opening_balance"] * 10**6).astype("int64")
    wanted = question.client_filter
    if "company" in wanted:
        parents = pd.read_parquet(folder / "companies.parquet")
        chosen = set(wanted["company"])
        for _ in range(len(parents)):
            chosen |= set(parents.loc[parents["parent"].isin(chosen), "company"])
        clients = clients[clients["company"].isin(chosen)]
    if "owner_user" in wanted:
        clients = clients[clients["owner_user"].isin(wanted["owner_user"])]
    if "client_tags" in wanted:
        clients = clients[[bool(set(tags) & set(wanted["client_tags"])) for tags in clients["tags"]]]
    return clients.reset_index(drop=True)


def _ledger(folder: Path, clients: pd.DataFrame) -> pd.DataFrame:
    read = pq.read_table(folder / "transactions.parquet", columns=["client_id", "at", "kind", "amount"])
    millionths = pc.cast(pc.multiply(read["amount"], pa.scalar(Decimal(10**6))), "int64")
    ledger: pd.DataFrame = read.drop_columns(["amount"]).append_column("amount", millionths).to_pandas()
    keys = clients[["client_id", "currency"]].assign(client=clients.index)
    ledger = ledger.merge(keys, on="client_id").drop(columns="client_id")
    ledger["paid"] = ledger["kind"].isin(FEES) & (ledger["amount"] < 0)
    return ledger


def _stocks(
    bucket: int, end: pd.Timestamp, window: pd.Timestamp, clients: pd.DataFrame, ledger: pd.DataFrame
) -> list[answer.Stock]:
    before = ledger[ledger["at"] < end]
    moved = before.groupby("client")["amount"].sum()
    balance = clients["opening"].add(moved, fill_value=0).astype("int64")
    alive = (clients["exists"] < end) & ~(clients["closed_at"] < end)
    paid = before[before["paid"]]
    active = clients.index.isin(paid.loc[paid["at"] >= window, "client"].unique())
    ever_active = clients.index.isin(paid["client"].unique())
    found = []
    for level, members in enumerate((alive & active, alive & ever_active, alive)):
        for currency, values in balance[members].groupby(clients["currency"]):
            sums = int(values[values > 0].sum()), int(values[values < 0].sum())
            found.append(answer.Stock(bucket, str(currency), level, len(values), *sums))
    return found


def _flows(bucket: int, inside: pd.DataFrame) -> list[answer.Flow]:
    def grouped(mask: pd.Series) -> pd.DataFrame:
        rows = inside[mask]
        return rows.groupby(["currency", rows["at"].dt.date])["amount"].agg(["size", "sum"])

    kind, amount = inside["kind"], inside["amount"]
    parts = {
        "refill": grouped((kind == "refill") & (amount > 0)),
        "usage": grouped(kind == "usage"),
        "activations": grouped((kind == "package_activation") & (amount <= 0)),
        "activated": grouped(kind == "package_activation"),
        "renewals": grouped((kind == "package_renewal") & (amount <= 0)),
        "renewed": grouped(kind == "package_renewal"),
    }
    every = pd.concat(parts, axis=1).fillna(0).astype("int64")
    columns = [
        ("refill", "size"), ("refill", "sum"), ("usage", "sum"), ("activations", "size"),
        ("activated", "sum"), ("renewals", "size"), ("renewed", "sum"),
    ]  # fmt: skip
    return [
        answer.Flow(bucket, currency, day, *(int(v) for v in values))
        for (currency, day), *values in every[columns].itertuples()
    ]
