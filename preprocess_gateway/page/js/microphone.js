/** The microphone, asked for and granted. */

import { Problem } from "./problems.js";
import { within } from "./waiting.js";

const ANSWER_MS = 60_000; // as long as a person may take to find the browser's question

const PROBLEMS = /** @type {Readonly<Record<string, string>>} */ ({
  NotAllowedError: "microphone_denied",
  SecurityError: "microphone_denied",
  NotFoundError: "microphone_missing",
});

/**
 * Ask for the microphone.
 * @param {AbortSignal} signal gives it up: a microphone that is granted later is let go at once
 * @param {number} [patienceMs]
 * @returns {Promise<MediaStream>} rejects with a Problem, or with an AbortError
 */
export async function openMicrophone(signal, patienceMs = ANSWER_MS) {
  if (!navigator.mediaDevices?.getUserMedia) throw new Problem("microphone_insecure");
  // Enhancements made for calls would change how the voice sounds.
  const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  let wanted = true;
  const granted = navigator.mediaDevices.getUserMedia({ audio }).then((stream) => {
    if (!wanted) letGo(stream);
    return stream;
  });
  try {
    const stream = await within(granted, patienceMs, () => {
      wanted = false;
      throw new Problem("microphone_no_answer");
    });
    if (signal.aborted) letGo(stream);
    signal.throwIfAborted();
    return stream;
  } catch (error) {
    throw problemOf(error, signal);
  }
}

/** @param {MediaStream} stream */
export function letGo(stream) {
  stream.getTracks().forEach((track) => track.stop());
}

/**
 * What a device's error means for people.
 * @param {unknown} error
 * @param {AbortSignal} signal
 */
export function problemOf(error, signal) {
  signal.throwIfAborted();
  if (error instanceof Problem) return error;
  const name = error instanceof DOMException ? error.name : "";
  return new Problem(PROBLEMS[name] ?? "microphone_failed", { detail: error instanceof Error ? error.message : "" });
}
