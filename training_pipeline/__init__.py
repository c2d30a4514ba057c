"""From recordings to a SavedModel: data sets, features, networks, evaluation, export.

Must not know: Flask, the gateway.
"""

from speech_emotion.notices import import_quietly

import_quietly()
