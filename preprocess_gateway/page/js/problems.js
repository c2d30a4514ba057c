/** Problems in words that a person understands, with what to do; by the service's `code`, or one of the page's own. */

/** @typedef {{title: string, advice: string, again?: boolean}} Words again: whether trying again may help */

const ANOTHER_FORMAT = "Save it as WAV, FLAC, MP3 or OGG and try that.";
const WAIT = "Wait a little and try again. If that does not help, tell whoever runs this service.";

/** @type {Readonly<Record<string, Words>>} */
export const WORDS = {
  audio_too_long: { title: "The clip is too long", advice: "Cut it to the part you want to hear about." },
  bad_form: { title: "The clip did not arrive whole", advice: "The connection may have broken. Try again.", again: true },
  body_too_large: { title: "The file is too large", advice: "Send a shorter clip, or save it as FLAC, MP3 or OGG, which are smaller." },
  corrupt_audio: { title: "The file is damaged", advice: "It begins like a recording but cannot be read to its end. Save or download it again." },
  decoder_failed: { title: "The file cannot be read", advice: `It is damaged, or takes more work than a clip may. ${ANOTHER_FORMAT}` },
  deadline_exceeded: { title: "It took too long", advice: "The service did not finish in time. Try again, or send a shorter clip.", again: true },
  empty_audio: { title: "There is no sound in the file", advice: "Choose another file, or record again." },
  feature_spec: { title: "The model is not usable", advice: WAIT, again: true },
  form_too_large: { title: "The file's name is too long", advice: "Give it a shorter name and try again." },
  incomplete_body: { title: "The clip did not arrive whole", advice: "The connection may have broken. Try again.", again: true },
  internal_error: { title: "Something broke in the service", advice: WAIT, again: true },
  microphone_denied: { title: "The microphone is not allowed", advice: "Allow it for this page in the browser's address bar, or choose a file instead." },
  microphone_failed: { title: "The microphone does not work", advice: "Check that no other program is using it, or choose a file instead.", again: false },
  microphone_insecure: { title: "The microphone needs a secure page", advice: "Browsers allow it only on https pages and on this machine. Open the page by https, or choose a file instead." },
  microphone_missing: { title: "No microphone was found", advice: "Plug one in, or choose a file instead." },
  microphone_no_answer: { title: "The browser did not allow the microphone in time", advice: "Allow it where the browser asks, usually beside the address, and try again. Or choose a file instead.", again: true },
  missing_file: { title: "No file arrived", advice: "Choose the file again.", again: true },
  model_contract: { title: "The model is not usable", advice: WAIT, again: true },
  model_unavailable: { title: "The model is away", advice: WAIT, again: true },
  no_such_track: { title: "The file has no such track", advice: "Choose another one of its tracks, or none." },
  non_finite_audio: { title: "The file holds values that are not sound", advice: `Something went wrong when it was written. ${ANOTHER_FORMAT}` },
  not_the_service: { title: "Something else answered", advice: "Something between this page and the service answered instead. Reload the page; if that does not help, tell whoever runs it.", again: true },
  origin_not_allowed: { title: "This page may not listen live", advice: "The service takes live speech only from pages of its own address. Open the page at the service's own address." },
  overloaded: { title: "The service is busy", advice: "Many are asking at once. Wait a few seconds and try again.", again: true },
  recording_too_short: { title: "That was too short", advice: "Record at least half a second." },
  request_timeout: { title: "The clip arrived too slowly", advice: "The connection may be slow. Try again, or send a shorter clip.", again: true },
  sample_rate_out_of_range: { title: "The file has an unusual sample rate", advice: "Save it with 16, 44.1 or 48 kHz and try that." },
  frame_too_large: { title: "The sound arrived in too large a piece", advice: "Reload the page and try again.", again: true },
  slow_reader: { title: "The connection is too slow", advice: "The answers did not arrive in time. Try again on a better connection.", again: true },
  stream_idle: { title: "No sound arrived", advice: "Check the microphone and the connection, then start again.", again: true },
  stream_too_fast: { title: "The sound came too fast", advice: "Start again. To hear a recording, choose it as a file.", again: true },
  stream_too_long: { title: "The live session reached its maximum length", advice: "Start again to continue.", again: true },
  stream_lost: { title: "The live connection broke", advice: "What was answered is still shown. Check your connection and try again.", again: true },
  stream_refused: { title: "The service does not listen live", advice: "Live listening may be off there, or all its places may be taken. Try again later, or record a clip instead.", again: true },
  live_unavailable: { title: "This browser cannot listen live here", advice: "It provides samples only if the machine has an audio output. Plug one in, or record a clip instead." },
  timeout: { title: "No answer came", advice: "The connection may be slow. Try again, or send a shorter clip.", again: true },
  too_many_channels: { title: "The file has too many channels", advice: "Save it as mono or stereo and try that." },
  too_many_streams: { title: "Too many live sessions", advice: "Close one that is open elsewhere and start again.", again: true },
  too_many_samples: { title: "The clip has too many samples", advice: "Cut it to the part you want to hear about, or save it as mono at 16, 44.1 or 48 kHz." },
  shutting_down: { title: "The service is being restarted", advice: "Wait a few seconds and try again.", again: true },
  version_changed: { title: "The model was replaced", advice: "Start again; the new model answers then.", again: true },
  unreachable: { title: "The service cannot be reached", advice: "Check your connection and try again. If that does not help, the service may be down.", again: true },
  unsupported_format: { title: "This is not an audio file that can be read here", advice: ANOTHER_FORMAT },
};

/**
 * Words for any code: an unknown one gets honest general words.
 * @param {string} code
 * @returns {Words}
 */
export function wordsFor(code) {
  return WORDS[code] ?? { title: "The service refused the clip", advice: "What it said is below. Try another clip.", again: true };
}

/** A problem that the page shows. */
export class Problem extends Error {
  /**
   * @param {string} code
   * @param {{detail?: string, requestId?: string, retryAfterS?: number}} [more]
   */
  constructor(code, more = {}) {
    super(more.detail ?? code);
    this.code = code;
    this.detail = more.detail ?? "";
    this.requestId = more.requestId ?? "";
    this.retryAfterS = more.retryAfterS ?? 0;
  }
}
