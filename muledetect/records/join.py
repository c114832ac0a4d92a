"""Give every account of a data set one spelling, in all of its tables."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Int32Array
from muledetect.records import reasons
from muledetect.records.dataset import Finding
from muledetect.records.encode import IdEncoder
from muledetect.records.ids import Form, has_loose_form, loose_forms, plain_ids, without_forms
from muledetect.records.table import TableReader
from muledetect.schema import INPUTS

Readers = Mapping[str, TableReader]


def join_accounts(
    readers: Readers, accounts: IdEncoder
) -> tuple[IdEncoder, Int32Array | None, list[Finding], tuple[Form, ...]]:
    """Spell the accounts of all tables in one way; tell how many had another way, or more than one.

    `accounts` holds the ids of the transfers as they were written. Returns the encoder of the accounts, and the code in
    it by the code in the old one (None: nothing changed), and the parts of ids that were taken out of all tables. The
    cost is that of the different ids, not of the rows.
    """
    written = accounts.ids()
    plain = plain_ids(written)
    forms = _loose_forms(readers, plain)
    names = without_forms(plain, forms)
    if names is written:
        return accounts, None, [], forms
    joined = IdEncoder()
    code_of = joined.encode(names)
    n_changed = pc.sum(pc.not_equal(written, names)).as_py() or 0
    return joined, code_of, [_describe(n_changed, len(written) - len(joined), len(joined), forms)], forms


def _loose_forms(readers: Readers, accounts: pa.StringArray) -> tuple[Form, ...]:
    """Return the parts of ids that are only a way of writing, and take them out of the tables beside the transfers."""
    columns = [
        (reader.columns, column.name)
        for name, reader in readers.items()
        if name != "transfers"
        for column in INPUTS[name].columns
        if column.who in ("account", "account or holder") and column.name in reader.columns
    ]
    elsewhere = [chunk for held, column in columns for chunk in held[column]]
    if not any(has_loose_form(ids) for ids in [accounts, *elsewhere]):
        return ()
    forms = loose_forms(pa.concat_arrays([accounts, *map(pc.unique, elsewhere)]))
    if forms:
        for held, column in columns:
            held[column] = [without_forms(chunk, forms) for chunk in held[column]]
    return forms


def _describe(n_changed: int, n_joined: int, n_accounts: int, forms: tuple[Form, ...]) -> Finding:
    """Return the warning about ids (not rows) that were written in another way than they are spelt."""
    also = f" Left out of all ids, as it made two of them one: {' and '.join(forms)}." if forms else ""
    text = (
        f"transfers: columns 'source' and 'target': {reasons.RESPELT}; {n_changed:,} ids were spelt anew, and "
        f"{n_joined:,} joined another; {n_accounts:,} accounts are left.{also} {reasons.mend(reasons.RESPELT)}"
    )
    return Finding("warn", "transfers", "source", reasons.RESPELT, n_changed, None, text)
