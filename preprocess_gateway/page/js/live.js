/** The live mode: what is spoken is answered while it is spoken, and the timeline grows. */

import { capture } from "./capture.js";
import { inShort } from "./clips.js";
import { offerDownloads } from "./downloads.js";
import { letGo, openMicrophone, problemOf } from "./microphone.js";
import { options } from "./options.js";
import { element, make } from "./page.js";
import { Problem } from "./problems.js";
import { showResult } from "./result.js";
import { pathOf } from "./service.js";
import { say, showProblem } from "./status.js";
import { LiveStream } from "./stream.js";
import { summed } from "./summing.js";
import { duration, percent } from "./words.js";

export class Live {
  /**
   * @param {import("./stage.js").Stage} stage
   * @param {import("./history.js").History} history
   */
  constructor(stage, history) {
    this.stage = stage;
    this.history = history;
    /** @type {{microphone: MediaStream, source: import("./capture.js").Capture, stream: LiveStream} | null} */
    this.going = null;
    /** @type {AbortSignal | null} of the start that the browser has not answered yet */
    this.waiting = null;
    element("listen").addEventListener("click", () => void (this.going ? this.stop() : this.start()));
  }

  async start() {
    if (this.waiting && !this.waiting.aborted) return; // the browser is asking already
    const signal = this.stage.begin(() => void this.start());
    this.waiting = signal;
    say("Waiting for the microphone… The browser may ask you to allow it.");
    /** @type {MediaStream | undefined} */
    let microphone;
    try {
      microphone = await openMicrophone(signal);
      await this.begin(microphone, signal);
    } catch (error) {
      if (microphone) letGo(microphone);
      showProblem(error);
    } finally {
      if (this.waiting === signal) this.waiting = null;
    }
  }

  /**
   * @param {MediaStream} microphone
   * @param {AbortSignal} signal
   */
  async begin(microphone, signal) {
    /** @type {LiveStream | null} */
    let stream = null;
    const source = await capture(microphone, (samples, rate) => {
      if (signal.aborted) return;
      stream?.send(samples);
      this.stage.player.drawLive(samples, rate);
    }).catch((error) => {
      throw problemOf(error, signal);
    });
    if (!source) throw new Problem("live_unavailable");
    if (signal.aborted) void source.stop();
    signal.throwIfAborted();
    stream = new LiveStream(() => new WebSocket(address()), source.rate, this.listener(signal));
    this.going = { microphone, source, stream };
    signal.addEventListener("abort", () => this.giveUp());
    stream.over.catch((problem) => this.broken(problem, signal));
    this.stage.player.startLive();
    this.stage.timeline.begin(0, null);
    element("clip-title").textContent = "Live";
    document.body.classList.add("live");
    element("listen-label").textContent = "Stop listening";
    say("Connecting…");
  }

  /**
   * @param {AbortSignal} signal
   * @returns {import("./stream.js").Listener}
   */
  listener(signal) {
    const current = (/** @type {() => void} */ does) => void (signal.aborted || does());
    return {
      window: (window) => current(() => this.stage.timeline.add(window)),
      now: (now) => current(() => this.showNow(now)),
      connected: (again) => current(() => say(again ? "Connected again. Speak." : "Speak: the timeline grows as you do.")),
      lost: () => current(() => say("The connection broke. Connecting again…")),
    };
  }

  /** @param {import("./stream.js").Now} now */
  showNow(now) {
    element("now").hidden = false;
    element("now").replaceChildren(`Now, ${duration(now.at_s)}: `, make("strong", `${now.emotion} ${percent(now.confidence)}`));
  }

  /** Everything of a session but its windows is let go. */
  giveUp() {
    const { going } = this;
    this.going = null;
    if (!going) return null;
    document.body.classList.remove("live");
    element("listen-label").textContent = "Listen live";
    const stopped = going.source.stop().then(() => letGo(going.microphone));
    if (this.stage.turn.signal.aborted) going.stream.close();
    return { stream: going.stream, stopped };
  }

  /**
   * @param {unknown} problem
   * @param {AbortSignal} signal
   */
  broken(problem, signal) {
    if (signal.aborted || !this.going) return;
    this.giveUp();
    this.stage.timeline.join();
    showProblem(problem);
  }

  async stop() {
    const { signal } = this.stage.turn;
    const ended = this.giveUp();
    if (!ended) return;
    say("Waiting for the last answers…");
    try {
      await ended.stopped;
      const last = await ended.stream.finish();
      if (!signal.aborted) this.show(summed(last, this.stage.timeline.windows), true);
    } catch (error) {
      this.stage.timeline.join();
      if (!signal.aborted) showProblem(error);
    }
  }

  /**
   * @param {import("./service.js").Answer} answer
   * @param {boolean} isNew
   */
  show(answer, isNew) {
    element("now").hidden = true;
    this.stage.timeline.end(answer);
    offerDownloads("live", answer);
    element("channels").hidden = true;
    say(showResult(answer, null), true);
    if (isNew) this.history.add({ name: `Live, ${duration(answer.audio.duration_s)}`, said: inShort(answer), show: () => this.again(answer) });
  }

  /** @param {import("./service.js").Answer} answer */
  again(answer) {
    this.stage.begin(() => {});
    this.stage.player.startLive(false);
    this.stage.timeline.begin(0, null);
    element("clip-title").textContent = "Live";
    this.show(answer, false);
  }
}

/** The stream's address, for the model that is chosen; relative to the page, whatever its path. */
function address() {
  const url = new URL(pathOf("stream", options().model), document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  url.search = "";
  return url;
}
