"""Text for people."""


def format_duration(seconds: float) -> str:
    """Returns seconds as "40 s", "12 min" or "1 h 5 min"."""
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{seconds:.0f} s"
    return (
        f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    )


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "'")


def protect_cell(text: str) -> str:
    """Returns text for a CSV cell that a spreadsheet does not run as a formula.

    Text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return gets a leading
    apostrophe, as spreadsheets and OWASP's CSV injection page suggest. So does text
    that begins with an apostrophe, so that `restore_cell` is exact.

    Example:
        >>> protect_cell("=1+1"), protect_cell("daisy")
        ("'=1+1", 'daisy')
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def restore_cell(cell: str) -> str:
    """Returns the text of a cell that `protect_cell` wrote.

    Example:
        >>> restore_cell("'=1+1"), restore_cell("daisy")
        ('=1+1', 'daisy')
    """
    return cell.removeprefix("'")
