"""DuckDB macros for mappings that read files."""

from __future__ import annotations

from custdyn_widgets.mart.dialect import Dialect

# All thousands separators except comma and period, as part of a regular expression.
_SPACES = r" ''’\x{00A0}\x{202F}"
# Most numbers are plain, and checking for these first is four times as fast as the general case.
_NUMBER = """
CREATE OR REPLACE TEMP MACRO number(given) AS CASE
  WHEN given IS NULL THEN NULL
  WHEN typeof(given) <> 'VARCHAR' THEN CAST(given AS DECIMAL(38, 9))
  WHEN regexp_full_match(CAST(given AS VARCHAR), '-?{plain}')
  THEN CAST(replace(CAST(given AS VARCHAR), '{mark}', '.') AS DECIMAL(38, 9))
  WHEN trim(CAST(given AS VARCHAR)) = '' THEN NULL
  WHEN regexp_full_match(trim(CAST(given AS VARCHAR)), '[+\\-−]?[{spaces}]?({patterns})')
  THEN CAST(
    translate(regexp_replace(CAST(given AS VARCHAR), '[{group}]', '', 'g'), '{mark}−', '.-')
    AS DECIMAL(38, 9)
  )
  WHEN regexp_full_match(trim(CAST(given AS VARCHAR)), '({patterns}) ?[\\-−]|\\(({patterns})\\)')
  THEN -CAST(
    translate(regexp_replace(CAST(given AS VARCHAR), '[{group}()\\-−]', '', 'g'), '{mark}', '.')
    AS DECIMAL(38, 9)
  )
  ELSE error(
    'number() cannot read ''' || CAST(given AS VARCHAR) || ''': {remedy}'
  )
END
"""
_UNCERTAIN = "write at most 9 decimal places, or set decimal for a source with decimal commas"
_OTHERS = ". Remove anything else, such as a currency: number(replace(column, ''$'', ''''))."


def macros(dialect: Dialect) -> list[str]:
    """Return the statements that create the macros for a dialect.

    `number(value)` returns an exact decimal with up to 9 places. Text is read with the dialect's decimal
    separator, and with thousands separators if these are unambiguous; `12.50-` and `(12.50)` are negative.
    Blank text becomes NULL, and any other text causes an error.
    """
    mark = dialect.decimal or "."
    other = "," if mark == "." else "."
    places = rf"(\{mark}\d{{0,9}}0*)?"
    plain = rf"\d+{places}"
    patterns = [plain, rf"\{mark}\d{{1,9}}0*", rf"\d{{1,3}}([{_SPACES}]\d{{3}})+{places}"]
    if dialect.decimal:
        patterns.append(rf"\d{{1,3}}(\{other}\d{{3}})+{places}")
    else:  # 1,234 may have a decimal comma; 1,234.50 and 1,234,567 cannot
        patterns += [r"\d{1,3}(,\d{3})+\.\d{1,9}0*", r"\d{1,3}(,\d{3}){2,}"]
    remedy = f'write at most 9 digits after "{mark}"' if dialect.decimal else _UNCERTAIN
    group = f"{_SPACES}{other}"
    forms = {"plain": plain, "patterns": "|".join(patterns), "group": group, "spaces": _SPACES, "mark": mark}
    return [_NUMBER.format(**forms, remedy=remedy + _OTHERS)]
