"""docs/api.md: its error table is the code's, and what it shows is what a real gateway answers."""

from __future__ import annotations

import re
from pathlib import Path

from preprocess_gateway.errors import GatewayError, StreamError
from preprocess_gateway.http.catalogue import error_table
from preprocess_gateway.http.problems import HTTP_CODES
from speech_emotion.errors import AudioError

PAGE = (Path(__file__).parent.parent.parent / "docs" / "api.md").read_text()
ROW = re.compile(r"^\| (\dXX|\d{3}) \| `(\w+)` \| (.+) \|$", re.MULTILINE)


def test_the_error_table_is_the_codes_in_both_directions() -> None:
    expected = {(error.status, error.code) for error in error_table()}
    rows = [(status, code) for status, code, _ in ROW.findall(PAGE)]
    assert sorted(rows) == sorted(expected)


def test_no_input_is_a_status_of_500() -> None:
    assert [error.code for error in error_table() if error.status == "500"] == ["internal_error"]
    assert {error.status[0] for error in error_table()} == {"4", "5"}


def test_every_class_and_http_code_is_in_the_table() -> None:
    codes = {error.code for error in error_table()}
    parents = (AudioError, GatewayError, StreamError)
    leaves = {kind.code for parent in parents for kind in parent.__subclasses__()} - {
        "limit_exceeded",
        StreamError.code,
    }
    assert leaves <= codes
    assert set(HTTP_CODES.values()) <= codes
    assert all(error.text.endswith(".") for error in error_table())
