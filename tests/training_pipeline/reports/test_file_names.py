from __future__ import annotations

from training_pipeline.reports.file_names import file_name, file_names


def test_a_name_becomes_one_that_every_file_system_takes() -> None:
    assert file_name("clip", "calm") == "clip-calm.png"
    assert file_name("confusion", "whisper/no-mixup") == "confusion-whisper-no-mixup.png"
    assert file_name("clip", "../../etc/passwd\n") == "clip-..-..-etc-passwd-.png"
    assert len(file_name("clip", 1000 * "x")) < 100


def test_names_that_would_share_a_file_get_numbers() -> None:
    names = ["a/b", "a-b", "A b", *(100 * "x" + end for end in "yz")]
    found = file_names("clip", names)
    assert found["a/b"] == "clip-a-b.png"
    assert len({name.casefold() for name in found.values()}) == len(names)
