/** Long recordings: sent whole, answered while they are heard, played from the file. */

import { ofChannel, showChannels } from "./channels.js";
import { inShort } from "./clips.js";
import { offerDownloads } from "./downloads.js";
import { options } from "./options.js";
import { element, limit } from "./page.js";
import { Problem } from "./problems.js";
import { hear } from "./recording-service.js";
import { showResult } from "./result.js";
import { say, showProblem } from "./status.js";
import { duration } from "./words.js";

const [maxSeconds, maxBytes] = [limit("max-recording-s"), limit("max-recording-bytes")];

/** @typedef {import("./service.js").Answer} Answer */

export class Recordings {
  /**
   * @param {import("./stage.js").Stage} stage
   * @param {import("./history.js").History} history
   */
  constructor(stage, history) {
    this.stage = stage;
    this.history = history;
  }

  /**
   * @param {string} name
   * @param {Blob} file
   * @param {number | null} seconds null: the browser does not know, and cannot play it
   * @param {AbortSignal} signal
   */
  async answer(name, file, seconds, signal) {
    const begun = performance.now();
    this.stage.player.loadLong(name, file, seconds);
    this.begin(seconds);
    this.show(true);
    say("Sending the recording…");
    try {
      if (file.size > maxBytes) throw new Problem("body_too_large");
      if (seconds !== null && seconds > maxSeconds + 1) throw new Problem("audio_too_long");
      const answer = await this.hear(file, name, signal);
      const tookMs = performance.now() - begun;
      this.summed(name, answer, tookMs);
      this.history.add({ name, said: inShort(answer), show: () => this.again(name, file, seconds, answer, tookMs) });
    } catch (error) {
      if (this.stage.turn.signal === signal) this.stage.timeline.join(); // what was heard stays valid
      showProblem(error);
    } finally {
      if (this.stage.turn.signal === signal) this.show(false);
    }
  }

  /** @param {number | null} seconds */
  begin(seconds) {
    const { player, timeline } = this.stage;
    timeline.begin(seconds ?? 0, seconds === null ? null : (from, to) => void player.playFrom(from, to));
    player.follow = (at) => timeline.follow(at);
  }

  /** @param {boolean} going whether it is being heard */
  show(going) {
    element("cancel").hidden = element("progress").hidden = !going;
    element("progress-bar").removeAttribute("value");
    element("progress-text").textContent = "";
  }

  /**
   * @param {Blob} file
   * @param {string} name
   * @param {AbortSignal} signal
   * @returns {Promise<Answer>} the summary, with every window
   */
  async hear(file, name, signal) {
    const { model, channels } = options();
    const { timeline } = this.stage;
    for await (const line of hear(file, name, signal, model, channels)) {
      signal.throwIfAborted();
      if (line.type === "window") {
        timeline.add(line);
        this.heard(line.end_s, timeline.seconds);
      } else if (line.type === "progress") this.heard(line.heard_s, line.duration_s ?? timeline.seconds);
      else return { ...line, timeline: timeline.windows };
    }
    throw new Problem("unreachable");
  }

  /**
   * @param {number} heard in seconds
   * @param {number} whole in seconds
   */
  heard(heard, whole) {
    say("Listening to the recording…");
    const bar = /** @type {HTMLProgressElement} */ (element("progress-bar"));
    bar.max = Math.max(whole, heard, 1);
    bar.value = heard;
    element("progress-text").textContent = `${duration(heard)} of ${duration(Math.max(whole, heard))}`;
  }

  /**
   * @param {string} name
   * @param {Answer} answer
   * @param {number} tookMs
   */
  summed(name, answer, tookMs) {
    this.stage.timeline.end(answer);
    offerDownloads(name, answer);
    const numbers = (answer.channels ?? []).map(({ channel }) => channel);
    const show = (/** @type {number} */ channel) => say(showResult(channel ? ofChannel(answer, channel) : answer, tookMs), true);
    showChannels(numbers, numbers[0] ?? 0, show);
    show(numbers[0] ?? 0);
  }

  /**
   * A recording of the history: shown again, not asked about.
   * @param {string} name
   * @param {Blob} file
   * @param {number | null} seconds
   * @param {Answer} answer
   * @param {number} tookMs
   */
  again(name, file, seconds, answer, tookMs) {
    this.stage.begin(() => {});
    this.stage.player.loadLong(name, file, seconds);
    this.begin(seconds);
    this.summed(name, answer, tookMs);
  }
}
