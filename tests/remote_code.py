"""A model's folder that brings code of its own, which nobody may run."""

import json
from pathlib import Path


def add_own_code(folder: Path, ran: Path) -> None:
    """Make a folder of transformers want its own code; whoever runs that leaves the file ``ran``."""
    (folder / "own.py").write_text(
        f"open({str(ran)!r}, 'w').close()\nfrom transformers import BertConfig as C, BertModel as M\n"
    )
    config = json.loads((folder / "config.json").read_text())
    own = {"AutoConfig": "own.C", "AutoModel": "own.M", "AutoModelForSequenceClassification": "own.M"}
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "unheard-of", "auto_map": own}))
