"""What does an evaluation leave behind?

report.json, the same figures as table.md and as plots, and every answer in answers.jsonl.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from nemotron_backend.evaluation import plots, record, table
from nemotron_backend.evaluation.measurement import Measurement
from nemotron_backend.evaluation.report import Origin, report_of
from nemotron_backend.evaluation.run import Asked
from nemotron_backend.recipes.tasks import Example


def write(
    out: Path,
    measurements: Sequence[Measurement],
    asked: Sequence[Asked],
    examples: Sequence[Example],
    origin: Origin,
) -> None:
    """Write all of it into a folder, which is made if it is not there."""
    out.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{line}\n" for line in record.lines(asked, examples))
    (out / "answers.jsonl").write_text(lines, "utf-8")
    report = json.dumps(report_of(measurements, origin), indent=2)
    (out / "report.json").write_text(f"{report}\n", "utf-8")
    (out / "table.md").write_text(table.tables(measurements), "utf-8")
    plots.draw(measurements, out)
