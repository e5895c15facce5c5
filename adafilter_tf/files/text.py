"""Text for people."""


def format_duration(seconds: float) -> str:
    """Returns seconds as "40 s", "12 min" or "1 h 5 min"."""
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{seconds:.0f} s"
    return (
        f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    )
