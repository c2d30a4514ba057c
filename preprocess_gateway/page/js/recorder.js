/** A recording of the microphone: samples where the browser hands them over, else what its own recorder encodes. */

import { capture } from "./capture.js";
import { letGo, openMicrophone, problemOf } from "./microphone.js";
import { SAMPLE_RATE, decode, resample } from "./samples.js";
import { within } from "./waiting.js";
import { join } from "./wav.js";

const STOP_MS = 2000;
const TELL_MS = 200;

/**
 * @typedef {object} Recording
 * @property {boolean} drawn whether its samples are handed over while it goes on
 * @property {number} seconds recorded so far
 * @property {() => Promise<Float32Array<ArrayBuffer>>} stop gives what was recorded, mono at SAMPLE_RATE
 */

/**
 * Ask for the microphone and begin.
 * @param {(samples: Float32Array | null, rate: number) => void} onProgress called while it goes on; samples are at the
 *   device's rate, null where the browser hands none over
 * @param {AbortSignal} signal gives it up: a microphone that is granted later is let go at once
 * @returns {Promise<Recording>} rejects with a Problem, or with an AbortError
 */
export async function record(onProgress, signal) {
  const stream = await openMicrophone(signal);
  try {
    const recording = (await SampledRecording.begin(stream, onProgress)) ?? new EncodedRecording(stream, onProgress);
    if (signal.aborted) void recording.stop();
    signal.throwIfAborted();
    return recording;
  } catch (error) {
    letGo(stream);
    throw problemOf(error, signal);
  }
}

/** @implements {Recording} */
class SampledRecording {
  /**
   * @param {MediaStream} stream
   * @param {import("./capture.js").Capture} source
   * @param {Float32Array[]} chunks
   */
  constructor(stream, source, chunks) {
    this.drawn = true;
    this.stream = stream;
    this.source = source;
    this.chunks = chunks;
  }

  /**
   * @param {MediaStream} stream
   * @param {(samples: Float32Array, rate: number) => void} onProgress
   */
  static async begin(stream, onProgress) {
    /** @type {Float32Array[]} */
    const chunks = [];
    const source = await capture(stream, (samples, rate) => {
      chunks.push(samples);
      onProgress(samples, rate);
    });
    return source && new SampledRecording(stream, source, chunks);
  }

  get seconds() {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0) / this.source.rate;
  }

  async stop() {
    await this.source.stop();
    letGo(this.stream);
    return resample(join(this.chunks), this.source.rate);
  }
}

/**
 * Needs no output of sound, which an AudioContext of Firefox does.
 * @implements {Recording}
 */
class EncodedRecording {
  /**
   * @param {MediaStream} stream
   * @param {(samples: null, rate: number) => void} onProgress
   */
  constructor(stream, onProgress) {
    this.drawn = false;
    this.stream = stream;
    this.begun = performance.now();
    /** @type {Blob[]} */
    this.parts = [];
    this.recorder = new MediaRecorder(stream);
    this.recorder.ondataavailable = ({ data }) => this.parts.push(data);
    this.ended = new Promise((resolve) => {
      this.recorder.onstop = resolve;
    });
    this.recorder.start();
    this.timer = setInterval(() => onProgress(null, SAMPLE_RATE), TELL_MS);
  }

  get seconds() {
    return (performance.now() - this.begun) / 1000;
  }

  async stop() {
    clearInterval(this.timer);
    if (this.recorder.state !== "inactive") this.recorder.stop();
    await within(this.ended, STOP_MS, () => null);
    letGo(this.stream);
    return (await decode(new Blob(this.parts, { type: this.recorder.mimeType }))) ?? new Float32Array(0);
  }
}
