/** The button that records: what was spoken is answered as a clip. */

import { element, limit } from "./page.js";
import { Problem } from "./problems.js";
import { record } from "./recorder.js";
import { SAMPLE_RATE } from "./samples.js";
import { say, showProblem } from "./status.js";
import { encodeWav } from "./wav.js";
import { duration } from "./words.js";

const SHORTEST_S = 0.5;
const maxSeconds = limit("max-duration-s");

export class Speaking {
  /**
   * @param {import("./stage.js").Stage} stage
   * @param {import("./clips.js").Clips} clips
   */
  constructor(stage, clips) {
    this.stage = stage;
    this.clips = clips;
    /** @type {import("./recorder.js").Recording | null} */
    this.recording = null;
    /** @type {AbortSignal | null} of the request for the microphone that the browser has not answered yet */
    this.waiting = null;
    element("record").addEventListener("click", () => void (this.recording ? this.stop(true) : this.start()));
  }

  async start() {
    if (this.waiting && !this.waiting.aborted) return; // the browser is asking already
    const signal = this.stage.begin(() => void this.start());
    this.waiting = signal;
    say("Waiting for the microphone… The browser may ask you to allow it.");
    try {
      const begun = await record((samples, rate) => this.progress(samples, rate, signal), signal);
      this.begun(begun, signal);
    } catch (error) {
      showProblem(error);
    } finally {
      if (this.waiting === signal) this.waiting = null;
    }
  }

  /**
   * @param {import("./recorder.js").Recording} recording
   * @param {AbortSignal} signal
   */
  begun(recording, signal) {
    this.recording = recording;
    signal.addEventListener("abort", () => void this.stop(false));
    this.stage.player.startLive(recording.drawn);
    document.body.classList.add("recording");
    element("record-label").textContent = "Stop and listen";
    const unseen = recording.drawn ? "" : " It cannot be drawn meanwhile, as this machine has no sound output.";
    say(`Recording. At most ${duration(maxSeconds)}.${unseen}`);
  }

  /**
   * @param {Float32Array | null} samples
   * @param {number} rate
   * @param {AbortSignal} signal
   */
  progress(samples, rate, signal) {
    if (signal.aborted) return; // the last samples of a recording that was given up
    if (samples) this.stage.player.drawLive(samples, rate);
    if (!this.recording) return;
    element("clip-title").textContent = `Recording, ${duration(this.recording.seconds)}`;
    if (this.recording.seconds >= maxSeconds - 0.5) void this.stop(true); // a little less than what is allowed
  }

  /** @param {boolean} use whether to ask for its emotion */
  async stop(use) {
    const stopped = this.recording;
    this.recording = null;
    if (!stopped) return;
    document.body.classList.remove("recording");
    element("record-label").textContent = "Record";
    const { signal } = this.stage.turn;
    const samples = await stopped.stop();
    if (!use || signal.aborted) return;
    if (samples.length < SHORTEST_S * SAMPLE_RATE) showProblem(new Problem("recording_too_short"));
    else {
      const next = this.stage.begin(() => {});
      const clip = { name: "Recording", file: encodeWav(samples, SAMPLE_RATE), samples };
      this.stage.again = () => void this.clips.answer(clip, next);
      await this.clips.answer(clip, next);
    }
  }
}
