/** The page: three ways to a clip, one way to its answer. */

import { ofChannel, showChannels } from "./channels.js";
import { Player } from "./player.js";
import { Problem } from "./problems.js";
import { record } from "./recorder.js";
import { element, showResult, showTimeline } from "./result.js";
import { makeSample } from "./sample.js";
import { SAMPLE_RATE, decode } from "./samples.js";
import { predict } from "./service.js";
import { say, showProblem } from "./status.js";
import { encodeWav } from "./wav.js";
import { duration } from "./words.js";

const SHORTEST_S = 0.5;
const maxSeconds = limit("max-duration-s");
const maxBytes = limit("max-body-bytes");
const player = new Player();
let asking = new AbortController();
/** @type {import("./recorder.js").Recording | null} */
let recording = null;
/** @type {AbortSignal | null} of the request for the microphone that the browser has not answered yet */
let waiting = null;
/** @type {() => void} */
let again = () => {};

/** @param {string} name */
function limit(name) {
  const value = Number(document.querySelector(`meta[name="${name}"]`)?.getAttribute("content"));
  return value > 0 ? value : Infinity;
}

/**
 * Give up whatever goes on, and begin something else.
 * @returns {AbortSignal} aborted as soon as something else begins in turn
 */
function begin() {
  asking.abort();
  asking = new AbortController();
  if (recording) void stopRecording(false);
  player.audio.pause();
  for (const id of ["problem", "result", "timeline", "now"]) element(id).hidden = true;
  return asking.signal;
}

/**
 * Show a clip, ask for its emotion, show the answer.
 * @param {string} name
 * @param {Blob} file
 * @param {Float32Array | null} samples
 */
async function answer(name, file, samples) {
  const signal = begin();
  again = () => void answer(name, file, samples);
  player.load(name, file, samples);
  say("Listening to the clip…");
  try {
    if (file.size > maxBytes) throw new Problem("body_too_large");
    const mixed = await predict(file, name, signal);
    show(mixed.answer, mixed.tookMs);
    offerChannels(mixed, () => predict(file, name, signal, "separate"));
  } catch (error) {
    showProblem(error);
  }
}

/**
 * @param {import("./service.js").Answer} got
 * @param {number} tookMs
 */
function show(got, tookMs) {
  player.follow = showTimeline(got, player.seconds || got.audio.duration_s, (at) => player.seek(at));
  player.update();
  say(showResult(got, tookMs), true);
}

/**
 * Each channel is asked for once, when the first of them is chosen.
 * @typedef {{answer: import("./service.js").Answer, tookMs: number}} Got
 * @param {Got} mixed
 * @param {() => Promise<Got>} ask
 */
function offerChannels(mixed, ask) {
  /** @type {Promise<Got> | null} */
  let separate = null;
  let chosen = 0;
  showChannels(mixed.answer.audio.channels, async (channel) => {
    chosen = channel;
    try {
      const got = await (channel ? (separate ??= ask()) : mixed);
      if (chosen === channel) show(channel ? ofChannel(got.answer, channel) : got.answer, got.tookMs);
    } catch (error) {
      separate = null;
      showProblem(error);
    }
  });
}

/** @param {File} file */
async function open(file) {
  const signal = begin();
  say("Reading the file…");
  const samples = file.size > maxBytes ? null : await decode(file);
  if (!signal.aborted) await answer(file.name, file, samples);
}

async function playSample() {
  const samples = makeSample();
  const answered = answer("Sample, made by a computer", encodeWav(samples, SAMPLE_RATE), samples);
  void player.play();
  await answered;
}

async function startRecording() {
  if (waiting && !waiting.aborted) return; // the browser is asking already
  const signal = begin();
  waiting = signal;
  say("Waiting for the microphone… The browser may ask you to allow it.");
  again = () => void startRecording();
  try {
    recording = await record((samples, rate) => {
      if (signal.aborted) return; // the last samples of a recording that was given up
      if (samples) player.drawLive(samples, rate);
      watchLength();
    }, signal);
    player.startLive(recording.drawn);
    document.body.classList.add("recording");
    element("record-label").textContent = "Stop and listen";
    const unseen = recording.drawn ? "" : " It cannot be drawn meanwhile, as this machine has no sound output.";
    say(`Recording. At most ${duration(maxSeconds)}.${unseen}`);
  } catch (error) {
    showProblem(error);
  } finally {
    if (waiting === signal) waiting = null;
  }
}

function watchLength() {
  if (!recording) return;
  element("clip-title").textContent = `Recording, ${duration(recording.seconds)}`;
  if (recording.seconds >= maxSeconds - 0.5) void stopRecording(true); // a little less than what is allowed
}

/** @param {boolean} use whether to ask for its emotion */
async function stopRecording(use) {
  const stopped = recording;
  recording = null;
  if (!stopped) return;
  document.body.classList.remove("recording");
  element("record-label").textContent = "Record";
  const { signal } = asking;
  const samples = await stopped.stop();
  if (!use || signal.aborted) return;
  if (samples.length < SHORTEST_S * SAMPLE_RATE) showProblem(new Problem("recording_too_short"));
  else await answer("Recording", encodeWav(samples, SAMPLE_RATE), samples);
}

function listen() {
  const file = /** @type {HTMLInputElement} */ (element("file"));
  element("limit").textContent = Number.isFinite(maxSeconds) ? duration(maxSeconds) : "what the service allows";
  element("record").addEventListener("click", () => void (recording ? stopRecording(true) : startRecording()));
  element("choose").addEventListener("click", () => file.click());
  element("sample").addEventListener("click", () => void playSample());
  element("retry").addEventListener("click", () => again());
  file.addEventListener("change", () => {
    const chosen = file.files?.[0];
    file.value = ""; // so that the same file can be chosen again
    if (chosen) void open(chosen);
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    const dropped = event.dataTransfer?.files[0];
    if (dropped) void open(dropped);
  });
}

listen();
