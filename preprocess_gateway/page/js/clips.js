/** From a clip to its answer: shown, asked about, and kept in the tab's history. */

import { ofChannel, showChannels } from "./channels.js";
import { offerDownloads } from "./downloads.js";
import { options } from "./options.js";
import { limit } from "./page.js";
import { Problem } from "./problems.js";
import { showResult, showTimeline } from "./result.js";
import { decode, durationOf } from "./samples.js";
import { predict } from "./service.js";
import { say, showProblem } from "./status.js";
import { verdict, percent } from "./words.js";

const [maxBytes, maxSeconds] = [limit("max-body-bytes"), limit("max-duration-s")];

/** @typedef {import("./service.js").Got} Got */
/** @typedef {{name: string, file: Blob, samples: Float32Array | null}} Clip samples: null where there is no picture */

export class Clips {
  /**
   * @param {import("./stage.js").Stage} stage
   * @param {import("./history.js").History} history
   * @param {import("./recordings.js").Recordings} recordings where a clip turns out to be a long recording
   */
  constructor(stage, history, recordings) {
    this.stage = stage;
    this.history = history;
    this.recordings = recordings;
  }

  /**
   * One file after the other, unless something else begins.
   * @param {readonly File[]} files
   */
  async openAll(files) {
    for (const file of files) {
      const signal = await this.open(file);
      if (signal.aborted) return;
    }
  }

  /** @param {File} file */
  async open(file) {
    const signal = this.stage.begin(() => void this.open(file));
    say("Reading the file…");
    const seconds = await durationOf(file);
    const long = file.size > maxBytes || (seconds ?? 0) > maxSeconds;
    const samples = long ? null : await decode(file);
    if (signal.aborted) return signal;
    if (long) await this.recordings.answer(file.name, file, seconds, signal);
    else await this.answer({ name: file.name, file, samples }, signal);
    return signal;
  }

  /**
   * An example: fetched, then played while it is answered.
   * @param {string} name
   * @param {() => Promise<File>} fetched
   */
  async example(name, fetched) {
    const signal = this.stage.begin(() => void this.example(name, fetched));
    say("Fetching the example…");
    try {
      const file = await fetched();
      const samples = await decode(file);
      if (signal.aborted) return;
      const answered = this.answer({ name, file, samples }, signal);
      void this.stage.player.play();
      await answered;
    } catch (error) {
      if (!signal.aborted) showProblem(error);
    }
  }

  /**
   * Show a clip, ask for its emotion, show the answer.
   * @param {Clip} clip
   * @param {AbortSignal} signal
   */
  async answer(clip, signal) {
    const { model, channels } = options();
    this.stage.player.load(clip.name, clip.file, clip.samples);
    say("Listening to the clip…");
    try {
      const got = await predict(clip.file, clip.name, signal, model, channels);
      const asked = new Asked(got, channels, (wanted) => predict(clip.file, clip.name, signal, model, wanted));
      this.show(clip, asked);
      this.history.add({ name: clip.name, said: inShort(got.answer), show: () => this.again(clip, asked) });
    } catch (error) {
      const long = error instanceof Problem && error.code === "audio_too_long"; // the browser could not tell
      if (long) await this.recordings.answer(clip.name, clip.file, null, signal);
      else showProblem(error);
    }
  }

  /**
   * A clip of the history: shown again, not asked about.
   * @param {Clip} clip
   * @param {Asked} asked
   */
  again(clip, asked) {
    this.stage.begin(() => {});
    this.stage.player.load(clip.name, clip.file, clip.samples);
    this.show(clip, asked);
  }

  /**
   * The answer, and buttons for each of its channels; which is asked for when it is chosen.
   * @param {Clip} clip
   * @param {Asked} asked
   */
  show(clip, asked) {
    const first = asked.channels === "separate" ? 1 : 0;
    let chosen = first;
    const show = (/** @type {Got} */ got) => {
      const answer = chosen ? ofChannel(got.answer, chosen) : got.answer;
      const { player } = this.stage;
      player.follow = showTimeline(answer, player.seconds || answer.audio.duration_s, (at) => player.seek(at));
      player.update();
      offerDownloads(clip.name, got.answer);
      say(showResult(answer, got.tookMs), true);
    };
    show(asked.first);
    const { channels } = asked.first.answer.audio;
    showChannels(channels < 2 ? [] : [...Array(channels + 1).keys()], first, async (channel) => {
      chosen = channel;
      try {
        const got = await asked.of(channel ? "separate" : "mix");
        if (chosen === channel) show(got);
      } catch (error) {
        showProblem(error);
      }
    });
  }
}

/** The answers about a clip, mixed and by channel: each is asked for once. */
class Asked {
  /**
   * @param {Got} first
   * @param {"mix" | "separate"} channels what was asked for first
   * @param {(channels: "mix" | "separate") => Promise<Got>} ask
   */
  constructor(first, channels, ask) {
    this.first = first;
    this.channels = channels;
    this.ask = ask;
    /** @type {Map<string, Promise<Got>>} */
    this.known = new Map([[channels, Promise.resolve(first)]]);
  }

  /** @param {"mix" | "separate"} channels */
  of(channels) {
    const known = this.known.get(channels);
    if (known) return known;
    const asked = this.ask(channels);
    this.known.set(channels, asked);
    asked.catch(() => this.known.delete(channels)); // it may go better the next time
    return asked;
  }
}

/**
 * An answer in a few words.
 * @param {import("./service.js").Answer} answer
 */
export function inShort(answer) {
  if (answer.channels) return answer.channels.map(({ emotion }) => emotion ?? "no speech").join(" | ");
  if (answer.emotion === null || answer.confidence === null) return verdict(answer).verdict;
  return `${answer.emotion} ${percent(answer.confidence)}${answer.uncertain ? ", uncertain" : ""}`;
}
