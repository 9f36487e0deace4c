"""Conversion of nested columns that contain views, which Arrow cannot filter."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

_LIST_VIEWS = (pa.types.is_list_view, pa.types.is_large_list_view)
_LARGE_LISTS = (pa.types.is_large_list, *_LIST_VIEWS)


def without_nested_views(table: pa.Table) -> pa.Table:
    """Return a table whose nested columns contain no views, which Arrow cannot filter."""
    for i, field in enumerate(table.schema):
        if pa.types.is_nested(field.type) and _wider(field.type) != field.type:
            table = table.set_column(i, field.name, widened(table.column(i)))
    return table


def widened(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without views at any depth."""
    kind, wider = column.type, _wider(column.type)
    if has_type(kind, *_LIST_VIEWS):  # Arrow's casts drop values of list views
        return pa.chunked_array([pa.array(column.to_pylist(), wider)])
    return column if wider == kind else column.cast(wider)


def has_type(kind: pa.DataType, *tests: Callable[[pa.DataType], bool]) -> bool:
    """Return whether a type, or a type at any depth in it, passes one of the tests."""
    if pa.types.is_dictionary(kind):
        inner = [kind.value_type]
    else:
        inner = [kind.field(i).type for i in range(kind.num_fields)]
    return any(test(kind) for test in tests) or any(has_type(one, *tests) for one in inner)


def _wider(kind: pa.DataType) -> pa.DataType:
    """Return a type that contains no views at any depth."""
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary()
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_wider(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_wider(kind.key_type), _wider(kind.item_type))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_wider(kind.value_type)), kind.list_size)
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_wider(kind.value_type)))
    if any(is_list(kind) for is_list in _LARGE_LISTS):
        return pa.large_list(kind.value_field.with_type(_wider(kind.value_type)))
    return kind
