"""What stands beside the weights of a demonstration checkpoint?"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_GENERATION = {"do_sample": False, "bos_token_id": 1, "eos_token_id": 11, "pad_token_id": 0}


def write(config: Mapping[str, Any], out: Path) -> None:
    """Write config.json, and the recommended sampling, which is greedy."""
    out.mkdir(parents=True, exist_ok=True)
    for name, content in (("config.json", config), ("generation_config.json", _GENERATION)):
        (out / name).write_text(json.dumps(content, indent=2) + "\n", "utf-8")
