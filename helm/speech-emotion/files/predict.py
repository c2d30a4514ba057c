"""Post a generated clip and print the answer: predict.py URL [HOST]."""

import sys

import requests

from training_pipeline.data.synthetic import write_sample

url, host = sys.argv[1], sys.argv[2:]
write_sample("/tmp/sample.wav")
with open("/tmp/sample.wav", "rb") as clip:
    headers = {"Host": host[0]} if host else {}
    answer = requests.post(f"{url}/predict", files={"file": clip}, headers=headers, timeout=30, verify=not host)
print(answer.status_code, answer.text)
sys.exit(not (answer.ok and answer.json()["probabilities"]))
