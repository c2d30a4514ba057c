/** Files and recordings as samples: mono at 16 kHz, by the browser's own decoders. */

import { within } from "./waiting.js";

export const SAMPLE_RATE = 16000;
const DECODE_MS = 20_000;
const METADATA_MS = 5000;

/**
 * @param {Float32Array<ArrayBuffer>} samples
 * @param {number} rate
 * @returns {Promise<Float32Array<ArrayBuffer>>}
 */
export async function resample(samples, rate) {
  const length = Math.ceil((samples.length * SAMPLE_RATE) / rate);
  if (length === 0) return new Float32Array(0);
  const context = new OfflineAudioContext(1, length, SAMPLE_RATE);
  const source = context.createBufferSource();
  source.buffer = new AudioBuffer({ length: samples.length, numberOfChannels: 1, sampleRate: rate });
  source.buffer.copyToChannel(samples, 0);
  source.connect(context.destination);
  source.start();
  return new Float32Array((await context.startRendering()).getChannelData(0));
}

/**
 * A file's samples, mixed to one channel at SAMPLE_RATE.
 * @param {Blob} file
 * @returns {Promise<Float32Array<ArrayBuffer> | null>} null where the browser cannot decode it, or not in time
 */
export async function decode(file) {
  try {
    const context = new OfflineAudioContext(1, 1, SAMPLE_RATE);
    const decoding = file.arrayBuffer().then((bytes) => context.decodeAudioData(bytes));
    const buffer = await within(/** @type {Promise<AudioBuffer | null>} */ (decoding), DECODE_MS, () => null);
    return buffer && mixed(buffer);
  } catch {
    return null;
  }
}

/** @param {AudioBuffer} buffer */
function mixed(buffer) {
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, index) => buffer.getChannelData(index));
  const first = /** @type {Float32Array<ArrayBuffer>} */ (channels[0]);
  if (channels.length === 1) return first;
  return first.map((_, n) => channels.reduce((sum, channel) => sum + (channel[n] ?? 0), 0) / channels.length);
}

/**
 * How long a file is, without reading all of it.
 * @param {Blob} file
 * @returns {Promise<number | null>} seconds; null where the browser cannot tell
 */
export async function durationOf(file) {
  const audio = new Audio();
  audio.preload = "metadata";
  const known = new Promise((resolve) => {
    audio.onloadedmetadata = () => resolve(audio.duration);
    audio.onerror = () => resolve(null);
  });
  audio.src = URL.createObjectURL(file);
  const seconds = await within(known, METADATA_MS, () => null);
  URL.revokeObjectURL(audio.src);
  return Number.isFinite(seconds) ? seconds : null;
}
