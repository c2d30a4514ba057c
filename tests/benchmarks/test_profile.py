from __future__ import annotations

from collections import Counter

from benchmarks.profile import places

FLASK = "wsgi_app (flask/app.py:1);predict (preprocess_gateway/http/predict.py:2)"


def test_a_sample_counts_for_the_innermost_function_of_the_project_and_names_the_library_in_it() -> None:
    stacks = "\n".join(
        [
            f"{FLASK};Levels._measure (speech_emotion/audio/levels.py:73);rfft (numpy/fft/_pocketfft.py:417) 3",
            f"{FLASK};Levels._measure (speech_emotion/audio/levels.py:80) 2",
            "run (threading.py:1);chunk (gunicorn/http/unreader.py:77) 1",
        ]
    )
    assert places(stacks) == Counter(
        {
            ("speech_emotion/audio/levels.py: Levels._measure", "numpy"): 3,
            ("speech_emotion/audio/levels.py: Levels._measure", ""): 2,
            ("no code of this project", "gunicorn"): 1,
        }
    )


def test_threads_that_wait_count_for_nothing() -> None:
    waits = [
        "Thread.run (threading.py:982);_worker (concurrent/futures/thread.py:81)",
        f"{FLASK};Connection.call (preprocess_gateway/backend/connection.py:3);"
        "_UnaryUnaryMultiCallable._blocking (grpc/_channel.py:1136)",
        "wait (worker.py:1);EpollSelector.select (selectors.py:468)",
        f"{FLASK};Semaphore.acquire (threading.py:479);Condition.wait (threading.py:331)",
    ]
    assert not places("\n".join(f"{stack} 5" for stack in waits))
