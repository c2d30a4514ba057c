"""CREMA-D and nEMO as they come, and manifests of corpora: made-up files of the same names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training_pipeline.data.test_data import ravdess_tree
from training_pipeline.data.clips import Clip, read_clips, write_clips
from training_pipeline.data.declared import path_beside, write_declared
from training_pipeline.data.facts import Facts, facts_of
from training_pipeline.data.folds import held_out, require_taught, speaker_folds
from training_pipeline.data.readers import read_all, read_data
from training_pipeline.errors import DataError

VOTES = '"","A","D","F","H","N","S","fileName"\n'


def crema_d(folder: Path, actors: tuple[str, ...] = ("1001", "1002"), emotions: str = "ANG NEU") -> Path:
    """Recordings, ages and votes of some actors; the votes of listeners who also saw the clips are others."""
    audio = folder / "AudioWAV"
    audio.mkdir(parents=True)
    rows, number = VOTES, 0
    for actor in actors:
        for emotion in emotions.split():
            number += 1
            (audio / f"{actor}_IEO_{emotion}_XX.wav").touch()
            rows += f'"{100000 + number}",1,0,0,0,3,0,"{actor}_IEO_{emotion}_XX"\n'
            rows += f'"{200000 + number}",9,0,0,0,0,0,"{actor}_IEO_{emotion}_XX"\n'
    (folder / "VideoDemographics.csv").write_text(
        '"ActorID","Age","Sex","Race"\n' + "".join(f'{actor},{20 + n},"Female","x"\n' for n, actor in enumerate(actors))
    )
    (folder / "processedResults").mkdir()
    (folder / "processedResults" / "tabulatedVotes.csv").write_text(rows)
    return folder


def nemo(folder: Path, speakers: tuple[str, ...] = ("AB0", "CD0")) -> Path:
    (folder / "samples").mkdir(parents=True)
    lines = ["file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage"]
    for speaker in speakers:
        for emotion in ("anger", "surprised"):
            (folder / "samples" / f"{speaker}_{emotion}_1.wav").touch()
            lines.append(f"{speaker}_{emotion}_1.wav\t{emotion}\tĄ, b.\tą b\t   {speaker}\tmale\t24")
    (folder / "data.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def own(folder: Path, rows: str, header: str = "path,label,speaker,corpus", declared: object = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.wav").touch()
    (folder / "b.wav").touch()
    manifest = folder / "mine.csv"
    manifest.write_text(f"{header}\n{rows}")
    if declared is not None:
        path_beside(manifest).write_text(json.dumps(declared))
    return manifest


def test_crema_d_has_actors_and_the_votes_by_voice_alone(tmp_path: Path) -> None:
    data = read_data(crema_d(tmp_path))
    first = data.clips[0]
    assert (first.emotion, first.speaker, first.sex, first.age, first.corpus) == (
        "angry", "1001", "female", 20, "crema-d",
    )  # fmt: skip
    assert dict(first.votes) == {"angry": 1, "neutral": 3}
    assert [clip.agreement for clip in data.clips[:2]] == [0.25, 0.75]
    assert data.emotions == ("neutral", "happy", "sad", "angry", "fearful", "disgust")
    assert [(corpus.name, corpus.licence) for corpus in data.corpora] == [("crema-d", "ODbL 1.0")]


def test_crema_d_is_read_without_its_tables_and_without_recordings_that_say_nothing(tmp_path: Path) -> None:
    for name in ("1001_DFA_HAP_LO", "1040_ITH_SAD_X", "1076_MTI_SAD_XX", "1017_IWW_ANG_XX"):
        (tmp_path / f"{name}.wav").touch()
    data = read_data(tmp_path)
    assert [(clip.emotion, clip.sex, clip.age, clip.agreement) for clip in data.clips] == [
        ("happy", "", None, None), ("sad", "", None, None),
    ]  # fmt: skip
    assert data.skipped == 2


def test_a_strange_recording_or_table_of_crema_d_is_named(tmp_path: Path) -> None:
    folder = crema_d(tmp_path)
    strange = folder / "AudioWAV" / "1001_IEO_BOR_XX.wav"
    strange.touch()
    with pytest.raises(DataError, match=r"1001_IEO_BOR_XX\.wav: not a name of CREMA-D"):
        read_data(folder)
    strange.unlink()
    (folder / "VideoDemographics.csv").write_text("ActorID,Age,Sex\n1001,old,Male\n")
    with pytest.raises(DataError, match=r"VideoDemographics.csv, line 2: .*old"):
        read_data(folder)


def test_nemo_is_read_from_its_table(tmp_path: Path) -> None:
    folder = nemo(tmp_path)
    (folder / "samples" / "AB0_fear_9.wav").touch()
    data = read_data(folder)
    assert [(clip.emotion, clip.speaker, clip.sex, clip.age) for clip in data.clips[:2]] == [
        ("angry", "AB0", "male", 24), ("surprised", "AB0", "male", 24),
    ]  # fmt: skip
    assert (data.skipped, data.corpora[0].licence) == (1, "CC BY-NC-SA 4.0, non-commercial")
    (folder / "samples" / "CD0_anger_1.wav").unlink()
    with pytest.raises(DataError, match=r"data.tsv, line 4: CD0_anger_1.wav is not in"):
        read_data(folder)


def test_a_manifest_keeps_what_a_reader_knew(tmp_path: Path) -> None:
    data = read_data(crema_d(tmp_path / "crema-d"))
    manifest = tmp_path / "manifest.csv"
    write_clips(manifest, data.clips)
    write_declared(manifest, data.corpora)
    again = read_data(manifest)
    kept = [(c.emotion, c.speaker, c.sex, c.age, c.votes, c.corpus) for c in data.clips]
    assert [(c.emotion, c.speaker, c.sex, c.age, c.votes, c.corpus) for c in again.clips] == kept
    assert (again.corpora, again.emotions, again.digest) == (data.corpora, data.emotions, data.digest)


def linked(folder: Path, blobs: Path) -> Path:
    """The folder with each recording replaced by a link to a nameless file, as tools for large data keep them."""
    blobs.mkdir()
    for number, path in enumerate(sorted(folder.rglob("*.wav"))):
        path.symlink_to(path.rename(blobs / f"{number:064x}"))
    return folder


@pytest.mark.parametrize("corpus", ["ravdess", "crema-d", "nemo"])
def test_recordings_behind_links_are_known_by_their_own_names(tmp_path: Path, corpus: str) -> None:
    folder = tmp_path / "set"
    match corpus:
        case "ravdess":
            ravdess_tree(folder)
        case "crema-d":
            crema_d(folder)
        case "nemo":
            nemo(folder, ("EB0", "IC0"))
    clips = read_data(linked(folder, tmp_path / "blobs")).clips
    (tmp_path / "elsewhere").mkdir()
    for manifest in (tmp_path / "m.csv", tmp_path / "elsewhere" / "m.csv"):
        write_clips(manifest, clips)  # nothing is declared beside it: names alone tell where the clips are from
        again = read_data(manifest)
        assert [clip.path for clip in again.clips] == [clip.path for clip in clips]
        assert facts_of(again.clips) == facts_of(clips) != Facts()
    assert (tmp_path / "m.csv").read_text().splitlines()[1].startswith("set/")


def test_a_manifest_that_is_a_link_reads_back_under_its_name(tmp_path: Path) -> None:
    clip = Clip(tmp_path / "away" / "a.wav", "glad", "1")
    clip.path.parent.mkdir()
    clip.path.touch()
    (manifest := tmp_path / "m.csv").symlink_to(tmp_path / "away" / "m.csv")
    write_clips(manifest, [clip])
    assert read_data(manifest).clips == [clip]


def test_a_manifest_without_corpora_is_what_it_was(tmp_path: Path) -> None:
    clips = [Clip(tmp_path / "a.wav", "glad", "1", "female", "test")]
    clips[0].path.touch()
    write_clips(tmp_path / "m.csv", clips)
    assert (tmp_path / "m.csv").read_text() == "path,label,speaker,sex,split\na.wav,glad,1,female,test\n"
    assert read_data(tmp_path / "m.csv").corpora == ()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.wav,glad,1,old,", "line 2: the age is 'old'; it must be whole years, 0 to 120"),
        ("a.wav,glad,1,121,", "the age is '121'"),
        ("a.wav,glad,1,,glad", "the votes hold 'glad'; they must be like angry=3"),
        ("a.wav,glad,1,,glad=-1", "the votes hold 'glad=-1'"),
        ("a.wav,glad,1,,glad=inf", "the votes hold 'glad=inf'"),
        ("a.wav,glad,1,,=1", "the votes hold '=1'"),
        ("a.wav,glad,1,,glad=1|glad=2", "name an emotion twice"),
    ],
)
def test_an_age_or_votes_that_are_none_are_errors_with_their_line(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(DataError, match=message.replace("|", r"\|")):
        read_clips(own(tmp_path, row, "path,label,speaker,age,votes"))


def test_labels_are_mapped_and_left_out_as_the_file_beside_the_manifest_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = {"ours": {"labels": {"joy": "happy", "bored": None, "rage": "angry"}, "licence": "ours alone"}}
    rows = "a.wav,joy,1,joy=2|rage=1|fury=1\nb.wav,bored,1,\n"
    said["ours"]["labels"]["fury"] = "angry"  # type: ignore[index]
    data = read_data(own(tmp_path, rows, "path,label,speaker,votes", said))
    assert [(clip.emotion, clip.corpus, clip.votes) for clip in data.clips] == [
        ("happy", "ours", (("happy", 2.0), ("angry", 2.0)))
    ]
    assert (data.corpora[0].emotions, data.corpora[0].licence) == (("happy", "angry"), "ours alone")
    assert "1 clips are left out, as their labels mean null" in caplog.text


def test_a_declared_label_that_no_clip_has_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    said = {"ours": {"labels": {"joy": "happy", "fury": "angry"}}}
    manifest = own(tmp_path, "a.wav,joy,1,ours\n", declared=said)
    path_beside(manifest).write_bytes(b"\xef\xbb\xbf" + path_beside(manifest).read_bytes())  # as some editors save
    assert read_data(manifest).emotions == ("happy",)
    assert "no clip has the label 'fury'" in caplog.text
    assert "'joy'" not in caplog.text


def test_an_emotion_that_a_corpus_cannot_tell_is_unknown_not_absent(tmp_path: Path) -> None:
    said = {"ours": {"emotions": ["glad", "sad", "angry"]}}
    manifest = own(tmp_path, "a.wav,glad,1,ours\nb.wav,calm,2,theirs\n", declared=said)
    data = read_data(manifest)
    assert data.emotions == ("glad", "sad", "angry", "calm")
    assert data.known.tolist() == [[True, True, True, False], [False, False, False, True]]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"theirs": {}}, "theirs is the corpus of no clip in mine.csv"),
        ({"ours": {"emotions": ["sad"]}}, "a.wav: glad is none of the emotions of ours"),
        ({"ours": {"emotion": ["sad"]}}, "not a declaration of corpora, ours.emotion: Extra inputs"),
        ({"ours": {"labels": {"glad": 3}}}, r"ours.labels.glad"),
        (["ours"], "not a declaration of corpora, the file: "),
        ({"ours": {"labels": {"glad": ""}}}, r"ours.labels.glad: String should have at least 1 character"),
        ({"ours": {"emotions": ["glad", " "]}}, r"ours.emotions.1: String should have at least 1 character"),
        ({"ours": {"labels": {"Glad": "happy"}}}, "`labels` has 'Glad', but the clips have 'glad'"),
        ({"ours": {"labels": {"glad": None}}}, "leaves out every clip"),
    ],
)
def test_a_declaration_that_does_not_fit_is_an_error(tmp_path: Path, declared: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_data(own(tmp_path, "a.wav,glad,1,ours\n", declared=declared))


def test_data_sets_side_by_side_keep_their_speakers_and_labels_apart(tmp_path: Path) -> None:
    manifest = own(tmp_path / "acme", "a.wav,glad,1001\nb.wav,glad,2\n", "path,label,speaker")
    data = read_all([crema_d(tmp_path / "one"), manifest])
    assert {clip.speaker for clip in data.clips} == {"crema-d/1001", "crema-d/1002", "mine/1001", "mine/2"}
    assert data.emotions == ("neutral", "happy", "sad", "angry", "fearful", "disgust", "glad")
    assert data.known.sum(axis=1).tolist() == [6] * 4 + [1] * 2
    # A part has the emotions of its clips alone: of the others that its corpora could tell a network learns nothing.
    assert data.of_corpora(["crema-d"]).emotions == ("neutral", "angry")
    assert data.of_corpora(["crema-d", "mine"]).emotions == ("neutral", "angry", "glad")


def test_data_sets_that_would_be_called_alike_are_told_so(tmp_path: Path) -> None:
    one, other = (own(tmp_path / name, "a.wav,glad,1\n", "path,label,speaker") for name in ("one", "other"))
    with pytest.raises(DataError, match="another data set is called mine too"):
        read_all([one, other])
    with pytest.raises(DataError, match="given twice"):
        read_all([one, tmp_path / "other" / ".." / "one" / "mine.csv"])
    with pytest.raises(DataError, match="some clips name a corpus and some do not"):
        read_all([own(tmp_path / "third", "a.wav,glad,1,ours\nb.wav,glad,1,\n"), other])


def test_a_data_set_behind_a_link_is_called_as_the_link(tmp_path: Path) -> None:
    calls, visits = (own(tmp_path / name, "a.wav,glad,1\n", "path,label,speaker") for name in ("3f2a", "9b1c"))
    (tmp_path / "a.wav").touch()
    (tmp_path / "calls.csv").symlink_to(calls)
    visits.rename(visits.with_name("manifest.csv"))
    (tmp_path / "visits").symlink_to(visits.parent)
    data = read_all([tmp_path / "calls.csv", tmp_path / "visits" / "manifest.csv"])
    assert [corpus.name for corpus in data.corpora] == ["calls", "visits"]


def test_the_same_corpus_in_two_data_sets_shares_its_speakers(tmp_path: Path) -> None:
    one = own(tmp_path / "one", "a.wav,glad,1,ours\n")
    other = own(tmp_path / "other", "a.wav,sad,1,ours\nb.wav,sad,1,theirs\n")
    data = read_all([one, other])
    assert sorted({clip.speaker for clip in data.clips}) == ["ours/1", "theirs/1"]
    assert [(corpus.name, corpus.emotions) for corpus in data.corpora] == [
        ("ours", ("glad", "sad")), ("theirs", ("sad",)),
    ]  # fmt: skip


def test_two_people_never_get_one_name(tmp_path: Path) -> None:
    one = own(tmp_path, "a.wav,glad,b/1,a\nb.wav,sad,1,a/b\n")
    with pytest.raises(DataError, match="a speaker of a and one of a/b would both be called a/b/1: rename one"):
        read_all([one])
    apart = own(tmp_path, "a.wav,glad,b/1,a\nb.wav,sad,2,a/b\n")
    assert [clip.speaker for clip in read_all([apart]).clips] == ["a/b/1", "a/b/2"]


def test_one_data_set_alone_keeps_its_speakers_names(tmp_path: Path) -> None:
    assert {clip.speaker for clip in read_all([crema_d(tmp_path)]).clips} == {"1001", "1002"}


def test_every_fold_tests_a_part_of_each_corpus() -> None:
    clips = [Clip(Path(f"{n}.wav"), "glad", f"ravdess/{n:02d}", corpus="ravdess") for n in range(1, 25)]
    clips += [Clip(Path(f"o{n}.wav"), "glad", f"ours/{n}", corpus="ours") for n in range(3)]
    folds = [sorted(clips[i].speaker for i in fold.test) for fold in speaker_folds(clips)]
    assert folds[0] == ["ours/0", "ravdess/02", "ravdess/05", "ravdess/14", "ravdess/15", "ravdess/16"]
    assert [len(fold) for fold in folds] == [6, 6, 6, 5, 4]
    assert sorted(speaker for fold in folds for speaker in fold) == sorted({clip.speaker for clip in clips})


@pytest.mark.parametrize("corpus", ["", "ours"])
def test_an_emotion_that_only_listeners_named_is_no_answer_unless_it_is_declared(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, corpus: str
) -> None:
    rows = f"a.wav,glad,1,glad=3|bored=1,{corpus}\nb.wav,sad,2,sad=2,{corpus}\n"
    manifest = own(tmp_path, rows, "path,label,speaker,votes,corpus")
    assert read_all([manifest]).emotions == ("glad", "sad")
    assert "votes for bored do not count: no clip has this label" in caplog.text
    caplog.clear()
    path_beside(manifest).write_text(json.dumps({"ours": {"emotions": ["glad", "bored", "sad"]}}))
    assert read_all([manifest]).emotions == ("glad", "bored", "sad")
    assert caplog.text == ""


@pytest.mark.parametrize("corpus", ["", "ours"])
def test_votes_count_for_labels_of_other_corpora(tmp_path: Path, corpus: str) -> None:
    one = own(tmp_path / "one", f"a.wav,glad,1,glad=3|bored=1,{corpus}\n", "path,label,speaker,votes,corpus")
    other = own(tmp_path / "other", "a.wav,bored,1,theirs\n")
    data = read_all([one, other])
    assert data.emotions == ("glad", "bored")
    assert data.known.tolist() == [[True, True], [False, True]]


def test_votes_that_are_spelled_unlike_the_labels_are_an_error(tmp_path: Path) -> None:
    manifest = own(tmp_path, "a.wav,glad,1,Glad=3\n", "path,label,speaker,votes")
    with pytest.raises(DataError, match="the emotions 'Glad', 'glad' differ only in case"):
        read_all([manifest])


def test_a_corpus_without_a_split_holds_out_its_own_first_fold() -> None:
    clips = [Clip(Path(f"{n}.wav"), "glad", f"a/{n}", split="test" if n == 3 else "", corpus="a") for n in range(4)]
    clips += [Clip(Path(f"o{n}.wav"), "glad", f"b/{n}", corpus="b") for n in range(2)]
    clips += [Clip(Path("c.wav"), "glad", "c/0", corpus="c")]
    assert [clips[i].speaker for i in held_out(clips).test] == ["a/3", "b/0"]


def test_a_corpus_that_is_said_to_be_for_training_holds_out_nobody() -> None:
    clips = [Clip(Path(f"{n}.wav"), "glad", f"a/{n}", split="test" if n == 3 else "", corpus="a") for n in range(4)]
    clips += [Clip(Path(f"o{n}.wav"), "glad", f"b/{n}", split="train", corpus="b") for n in range(3)]
    assert [clips[i].speaker for i in held_out(clips).test] == ["a/3"]
    # If all are, nothing could be measured: the first speakers of each are held out nonetheless.
    said = [replace(clip, split="train" if clip.speaker != "a/0" else "") for clip in clips]
    assert [said[i].speaker for i in held_out(said).test] == ["a/0", "b/0"]


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 2), (1, 2), (24, 1, 1), (3, 4, 1), (1, 1, 1, 1, 1, 1, 1)])
def test_each_fold_trains_and_tests_on_someone(sizes: tuple[int, ...]) -> None:
    clips = [
        Clip(Path(f"{corpus}-{n}.wav"), "glad", f"{corpus}/{n}", corpus=str(corpus))
        for corpus, speakers in enumerate(sizes)
        for n in range(speakers)
    ]
    folds = speaker_folds(clips)
    assert len(folds) == min(5, sum(sizes))
    assert all(len(fold.train) and len(fold.test) for fold in folds)
    assert sorted(i for fold in folds for i in fold.test) == list(range(len(clips)))
    assert 0 < len(held_out(clips).test) < len(clips)


def test_an_emotion_that_only_one_test_speaker_has_is_named() -> None:
    clips = [Clip(Path(f"{n}.wav"), "glad", f"{n % 3}") for n in range(6)] + [Clip(Path("s.wav"), "sad", "1")]
    with pytest.raises(DataError, match="all clips of sad are of 1, who would be tested by a model without sad"):
        require_taught(clips, speaker_folds(clips))
    require_taught(clips[:6], speaker_folds(clips[:6]))


@pytest.mark.parametrize(
    ("rows", "declared", "message"),
    [
        ("a.wav,Sad,1,theirs\n", None, "the emotions 'Sad', 'sad' differ only in case"),
        ("a.wav,low,1,theirs\n", {"theirs": {"labels": {"low": "SAD"}}}, "the emotions 'SAD', 'sad' differ"),
        ("a.wav,sad,1,theirs\n", {"theirs": {"emotions": ["sad", "Glad"]}}, "the emotions 'Glad', 'glad' differ"),
        ("a.wav,sad,1,Ours\n", None, "the corpora 'Ours', 'ours' differ"),
        ("a.wav,sad,ANNA,ours\n", None, "the speakers of ours 'ANNA', 'anna' differ"),
    ],
)
def test_names_of_two_sets_that_differ_only_in_spelling_are_an_error(
    tmp_path: Path, rows: str, declared: object, message: str
) -> None:
    one = own(tmp_path / "one", "a.wav,sad,anna,ours\nb.wav,glad,anna,ours\n")
    with pytest.raises(DataError, match=message):
        read_all([one, own(tmp_path / "other", rows, declared=declared)])
