"""Your own text, from a file to a report: python own_text.py book.txt

Without a file it takes the manual that Python brings along, one paragraph a line of JSON, with a
label for the probes: is the page about a keyword of the language?
"""

import json
import keyword
import subprocess
import sys
from pathlib import Path
from pydoc_data.topics import topics


def vlatent(*command: str) -> None:
    """Run a command of vlatent, as you would in a terminal."""
    print("$ vlatent", *command)
    subprocess.run([sys.executable, "-m", "vlatent", *command], check=True)


if len(sys.argv) > 1:
    text = sys.argv[1]
else:
    text = "manual.jsonl"
    with Path(text).open("w", encoding="utf-8") as file:
        for page, paragraphs in topics.items():
            labels = {"about": "keyword" if keyword.iskeyword(page) else "other"}
            for paragraph in paragraphs.split("\n\n"):
                if paragraph[:1].isupper() and paragraph.endswith("."):
                    record = {"text": paragraph, "labels": labels, "group": page}
                    file.write(json.dumps(record) + "\n")

data = ["--data.train", text, "--data.key", "text", "--data.split", "sentence"]
own = ["--config", "smoke", *data, "--data.duplicates", "drop"]
vlatent("train", *own, "--training.folder", "runs/own")
vlatent("probe", "runs/own")
vlatent("study", "loss_weights", *own, "--study.trials", "3", "--study.confirm", "0")
ablation = ["--ablation.seeds", "2", "--ablation.arms", "[without spectrum]"]
vlatent("ablate", "spectrum", *own, *ablation)
vlatent("report", "loss_weights")
