/** The microphone's samples as they come, by an AudioWorklet: no codec is needed. */

import { within } from "./waiting.js";

const START_MS = 2000;
const DRAIN_MS = 1000;

export class Capture {
  /**
   * @param {AudioContext} context
   * @param {AudioWorkletNode} node
   * @param {(samples: Float32Array) => void} onSamples
   */
  constructor(context, node, onSamples) {
    this.context = context;
    this.node = node;
    this.rate = context.sampleRate;
    /** @type {Promise<void>} */
    this.drained = new Promise((resolve) => {
      node.port.onmessage = ({ data }) => {
        onSamples(data.samples);
        if (data.last) resolve();
      };
    });
  }

  /** The last samples are handed over, then the context is closed; the stream is its owner's. */
  async stop() {
    this.node.port.postMessage("stop");
    await within(this.drained, DRAIN_MS, () => {});
    void this.context.close(); // without an output it may never say that it is closed
  }
}

/**
 * Begin to hand over samples.
 * @param {MediaStream} stream
 * @param {(samples: Float32Array, rate: number) => void} onSamples
 * @returns {Promise<Capture | null>} null where the context does not run: Firefox needs an output of sound for it
 */
export async function capture(stream, onSamples) {
  // At the device's own rate: not every browser can connect a microphone to another.
  const context = new AudioContext();
  try {
    const running = within(context.resume().then(() => true), START_MS, () => false);
    await context.audioWorklet.addModule(new URL("recorder-worklet.js", import.meta.url));
    const node = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
    const begun = new Capture(context, node, (samples) => onSamples(samples, context.sampleRate));
    context.createMediaStreamSource(stream).connect(node);
    if (await running) return begun;
  } catch (error) {
    void context.close();
    throw error;
  }
  void context.close();
  return null;
}
