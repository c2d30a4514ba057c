"""What `helm test` runs: post a generated clip, print the answer. Arguments: URL [HOST]."""

import sys
import tempfile
from pathlib import Path

import requests

from training_pipeline.data.synthetic import write_sample

url, host = sys.argv[1], sys.argv[2:]
with tempfile.TemporaryDirectory() as folder:
    write_sample(Path(folder) / "sample.wav")
    clip = (Path(folder) / "sample.wav").read_bytes()
headers = {"Host": host[0]} if host else {}
answer = requests.post(f"{url}/predict", files={"file": clip}, headers=headers, timeout=30)
sys.stdout.write(f"{answer.status_code} {answer.text}\n")
sys.exit(not (answer.ok and answer.json()["probabilities"]))
