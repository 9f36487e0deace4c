"""Passwords with any characters, in every form of address and connection string that users type."""

PASSWORD = "s3cretpw"  # no part of a password may be shown, so each part is this word
_CHARACTERS = " @/#?'\"=&;:,.!$\\\t\n<>[](){}|`^*~é\u2028\u200b"
_BETWEEN = (*_CHARACTERS, "//", "  ", " '", "'\"", "%40", "%20")
IN_URLS = [f"postgresql://u:{PASSWORD}{between}{PASSWORD}@h/d" for between in _BETWEEN]
ELSEWHERE = [
    f"redis://:{PASSWORD} {PASSWORD}@h",
    f"jdbc:mysql://u:{PASSWORD} {PASSWORD}@h",
    f"u:{PASSWORD} {PASSWORD}@h",
    f"u/{PASSWORD} {PASSWORD}@//h:1521/d",
    f"//u:{PASSWORD} {PASSWORD}@h/share",
    f"mysql://u:{PASSWORD}",
    f"mysql://h/d?user=u&password={PASSWORD} {PASSWORD}&x=1",
    f"mysql://h/d?ssl=1&sslpassword={PASSWORD}&{PASSWORD}",
    f"host=h password={PASSWORD} {PASSWORD} dbname=x",
    f"host=h password={PASSWORD}&{PASSWORD};{PASSWORD} dbname=x",
    f"host=h password='{PASSWORD} \\'{PASSWORD}' dbname=x",
    f'user=u;password={PASSWORD}("{PASSWORD}',
    f"Server=h;Pwd={PASSWORD} {PASSWORD};Database=x",
]
