"""One Flask application, the model in its process: `gunicorn service:app`, as Flask's documentation deploys it."""

from __future__ import annotations

from flask import Flask, Response, jsonify, request

from benchmarks.peers.answers import load

app = Flask(__name__)
answer = load()


@app.post("/form")
def form() -> Response:
    """A clip as the form field `file`."""
    return jsonify(answer(request.files["file"].read()))


@app.post("/raw")
def raw() -> Response:
    """A clip as the body."""
    return jsonify(answer(request.get_data()))
