/** Hands the microphone's samples to the page, mixed to one channel, some 40 ms at a time. */

const CHUNK = 2048;

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.chunk = new Float32Array(CHUNK);
    this.filled = 0;
    this.port.onmessage = () => this.flush(); // the page stops: give what is there, and say that it is all
  }

  flush() {
    this.port.postMessage({ samples: this.chunk.slice(0, this.filled), last: true });
    this.filled = 0;
  }

  /**
   * @param {Float32Array[][]} inputs
   * @returns {boolean} whether to go on
   */
  process(inputs) {
    const channels = inputs[0] ?? [];
    const length = channels[0]?.length ?? 0;
    for (let n = 0; n < length; n += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[n] ?? 0;
      this.chunk[this.filled] = sum / channels.length;
      this.filled += 1;
      if (this.filled === CHUNK) {
        this.port.postMessage({ samples: this.chunk.slice(), last: false });
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
