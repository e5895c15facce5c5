"""Asks pip-audit whether the pinned dependencies have known vulnerabilities.

    python -m tools.audit

Exit code 0 when there is none, 1 when there is one. Where the data of pip-audit cannot
be reached the check is skipped: one line says so, and the exit code is 0.
"""

import json
import subprocess
import sys

from absl import app, flags

FLAGS = flags.FLAGS


def audit(requirements: str, timeout: float) -> tuple[list[str], int]:
    """Runs pip-audit on a file of pinned requirements.

    Args:
        requirements: Of the file.
        timeout: Seconds for all of it.

    Returns:
        What it found, one line each, and the exit code.
    """
    command = [
        sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps",
        "--progress-spinner=off", "--format=json", f"--requirement={requirements}",
    ]  # fmt: skip
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return [f"Audit skipped: no answer within {timeout:g} seconds."], 0
    try:
        packages = json.loads(result.stdout)["dependencies"]
    except (ValueError, LookupError, TypeError):
        # It has no answer at all where it cannot ask.
        reason = (result.stderr.strip().splitlines() or ["it says nothing"])[-1]
        return [f"Audit skipped: pip-audit has no data: {reason[:200]}"], 0
    return _report(packages)


def _report(packages: list[dict]) -> tuple[list[str], int]:
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if len(unknown) == len(packages):
        return [
            f"Audit skipped: none of the {len(packages)} packages can be looked up "
            "from here."
        ], 0
    lines = [
        f"{package['name']} {package['version']}: {found['id']}, fixed in "
        f"{', '.join(found['fix_versions']) or 'no version yet'}"
        for package in packages
        for found in package.get("vulns", ())
    ]
    if unknown:
        lines.append(f"Not looked up: {', '.join(unknown)}.")
    known = sum(bool(package.get("vulns")) for package in packages)
    lines.append(
        f"{len(packages) - len(unknown)} packages audited, {known} vulnerable."
    )
    return lines, int(known > 0)


def main(argv: list[str]) -> None:
    """Audits, and exits as `audit` says."""
    del argv
    lines, code = audit(FLAGS.requirements, FLAGS.timeout)
    print("\n".join(lines))
    sys.exit(code)


if __name__ == "__main__":
    flags.DEFINE_string("requirements", "requirements.txt", "File of pinned versions.")
    flags.DEFINE_float("timeout", 60.0, "Seconds for all of it.", lower_bound=1.0)
    app.run(main)
