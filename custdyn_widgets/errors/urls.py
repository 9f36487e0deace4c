"""Recognizing addresses in text, and masking passwords, which must never be printed or published."""

from __future__ import annotations

import re

ADDRESS = re.compile(r"[\s\ufeff]*[A-Za-z][\w+.:-]+:/")  # the start of an address

# A single slash is enough, because `Path` removes the second. User names may contain an @, and passwords may
# contain slashes. Ports and masked passwords do not match. The limits on lengths and on `:/` keep the search
# linear.
_PASSWORD = re.compile(
    r"""
    (?<=[\w+.-])
    (?P<before> :/{1,2} (?!\[) [^\s/:"'<>]{0,300} : )
    (?! \*{3} @ [^\s/@]* (?:[\s/"'<>]|$) )
    (?! \d{1,5} [/?\#,] )
    (?: [^\s/"<>] | (?<!:)/ ){1,2000}
    (?=@)
    """,
    re.VERBOSE,
)

# Passwords in URL options, in connection strings such as `host=db password=…` and `Server=db;Pwd=…`, and in
# printed dicts and JSON. Searching is ten times as fast if a pattern begins with a literal character.
_OPTION = re.compile(
    r"""
    (?P<before> = (?: (?<=password=) | (?<=passwd=) | (?<=passphrase=) | (?<=pwd=) ) )
    (?! \*{3} )
    (?: '[^'\n]{1,300}' | "[^"\n]{1,300}" | \{(?!\*)[^}\n]{1,300}\} | [^\s&;,'"<>()\[\]{}]+ )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ENTRY = re.compile(
    r"""
    (?P<before> : (?:(?<=password['"]:) | (?<=passwd['"]:) | (?<=passphrase['"]:) | (?<=pwd['"]:)) \s{0,9} )
    (?! ['"]\*{3} )
    b? (?: '[^'\n]{1,300}' | "[^"\n]{1,300}" )
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Without a scheme, a match is not necessarily a login, so it is masked but does not prevent publishing.
_LOGIN = re.compile(
    r"""
    (?P<option> (?:[Pp]ass(?:word|wd|phrase)|PASSWORD|[Pp]wd|PWD) (?:[ ]=[ ]?|=[ ]) )
    (?! \*{3} )
    [^\s&;,'"<>()\[\]{}]+
    |
    (?<![\w:])
    (?P<share> // [^\s/:@]{1,100} : )
    (?! \*{3} @ )
    [^\s/@'"<>]{1,300}
    (?= @[\w\[] )
    |
    (?<![\w./:@,+-])
    (?! mailto: )
    (?P<before> [A-Za-z] [\w.+-]{0,100} : )
    (?! \*{3} @ )
    [^\s/:@'"<>]{1,300}
    (?= @[\w\[] )
    |
    (?<![\w./:@,+-])
    (?P<oracle> [A-Za-z] [\w.$-]{0,100} / )
    (?! \*{3} @ )
    [^\s/@'"<>]{1,300}
    (?= @/{1,2}\w )
    """,
    re.VERBOSE,
)
_PATTERNS = (_PASSWORD, _OPTION, _ENTRY)


def is_address(text: str) -> bool:
    """Return whether text is an address such as `scheme://host`, which is never the path of a file."""
    return "://" in text or ADDRESS.match(text) is not None


def has_password(text: str) -> bool:
    """Return whether text contains an unmasked password.

    It may be in the form `scheme://user:password@host`, `password=…` or `{'password': '…'}`.
    """
    return any(pattern.search(text) for pattern in _PATTERNS)


def mask_passwords(text: str) -> str:
    """Return text with each password replaced by `***`."""
    for pattern in _PATTERNS:
        text = pattern.sub(r"\g<before>***", text)
    return _LOGIN.sub(lambda found: f"{found[found.lastgroup or 0]}***", text)
