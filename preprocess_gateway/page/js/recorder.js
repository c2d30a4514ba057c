/** The microphone as samples: AudioWorklet, so that no codec is needed; 16 kHz at the end. */

import { Problem } from "./problems.js";
import { SAMPLE_RATE } from "./sample.js";
import { join } from "./wav.js";

const PROBLEMS = /** @type {Readonly<Record<string, string>>} */ ({
  NotAllowedError: "microphone_denied",
  SecurityError: "microphone_denied",
  NotFoundError: "microphone_missing",
});

export class Recording {
  /**
   * @param {MediaStream} stream
   * @param {AudioContext} context
   * @param {AudioWorkletNode} node
   * @param {(samples: Float32Array) => void} onSamples
   */
  constructor(stream, context, node, onSamples) {
    this.stream = stream;
    this.context = context;
    this.node = node;
    /** @type {Float32Array[]} */
    this.chunks = [];
    /** @type {Promise<void>} */
    this.drained = new Promise((resolve) => {
      node.port.onmessage = ({ data }) => {
        this.chunks.push(data.samples);
        onSamples(data.samples);
        if (data.last) resolve();
      };
    });
  }

  /** Seconds recorded so far. */
  get seconds() {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0) / this.context.sampleRate;
  }

  /** @returns {Promise<Float32Array<ArrayBuffer>>} what was recorded, mono at SAMPLE_RATE */
  async stop() {
    this.node.port.postMessage("stop");
    await this.drained;
    this.stream.getTracks().forEach((track) => track.stop());
    const rate = this.context.sampleRate;
    await this.context.close();
    return resample(join(this.chunks), rate);
  }
}

/**
 * Ask for the microphone and begin.
 * @param {(samples: Float32Array, rate: number) => void} onSamples called while it goes on, at the device's rate
 * @param {AbortSignal} signal gives it up: a microphone that is granted later is let go at once
 * @returns {Promise<Recording>} rejects with a Problem, or with an AbortError
 */
export async function record(onSamples, signal) {
  if (!navigator.mediaDevices?.getUserMedia) throw new Problem("microphone_insecure");
  /** @type {MediaStream | undefined} */
  let stream;
  /** @type {AudioContext | undefined} */
  let context;
  try {
    // Enhancements made for calls would change how the voice sounds.
    const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    stream = await navigator.mediaDevices.getUserMedia({ audio });
    signal.throwIfAborted();
    // At the device's own rate: not every browser can connect a microphone to another.
    context = new AudioContext();
    const rate = context.sampleRate;
    await context.audioWorklet.addModule(new URL("recorder-worklet.js", import.meta.url));
    const node = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
    const recording = new Recording(stream, context, node, (samples) => onSamples(samples, rate));
    context.createMediaStreamSource(stream).connect(node);
    await context.resume();
    signal.throwIfAborted();
    return recording;
  } catch (error) {
    stream?.getTracks().forEach((track) => track.stop());
    void context?.close();
    signal.throwIfAborted();
    const name = error instanceof DOMException ? error.name : "";
    throw new Problem(PROBLEMS[name] ?? "microphone_failed", { detail: error instanceof Error ? error.message : "" });
  }
}

/**
 * @param {Float32Array<ArrayBuffer>} samples
 * @param {number} rate
 * @returns {Promise<Float32Array<ArrayBuffer>>}
 */
async function resample(samples, rate) {
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
 * @returns {Promise<Float32Array | null>} null where the browser cannot decode it
 */
export async function decode(file) {
  try {
    const buffer = await new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(await file.arrayBuffer());
    const channels = Array.from({ length: buffer.numberOfChannels }, (_, index) => buffer.getChannelData(index));
    const first = /** @type {Float32Array} */ (channels[0]);
    if (channels.length === 1) return first;
    return first.map((_, n) => channels.reduce((sum, channel) => sum + (channel[n] ?? 0), 0) / channels.length);
  } catch {
    return null;
  }
}
