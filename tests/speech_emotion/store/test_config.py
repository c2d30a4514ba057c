from __future__ import annotations

from pathlib import Path

import pytest

from speech_emotion.errors import StoreError
from speech_emotion.store.config import read_config, write_config

TEXT = """
model_config_list {
  config {
    name: "speech_emotion" base_path: "/models/speech_emotion" model_platform: "tensorflow"
    model_version_policy { all {} }
    version_labels { key: "stable" value: 1 }
  }
}
"""


def test_written_config_reads_back_equal(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text(TEXT)
    config = read_config(path)
    config.model_config_list.config[0].version_labels["canary"] = 2
    write_config(path, config)
    assert read_config(path) == config
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["nonsense", "model_config_list {", 'model_config_list { config { nam: "x" } }'])
def test_bad_text_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    path = tmp_path / "models.config"
    path.write_text(text)
    with pytest.raises(StoreError, match=r"models\.config cannot be read: 1:"):
        read_config(path)


def test_a_failed_write_keeps_the_old_config(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text(TEXT)
    with pytest.raises(AttributeError):
        write_config(path, "not a config")
    assert path.read_text() == TEXT
    assert list(tmp_path.iterdir()) == [path]
