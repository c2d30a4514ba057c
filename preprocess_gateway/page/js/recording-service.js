/** The service's door for long recordings: answers come while it is still heard. */

import { lines } from "./ndjson.js";
import { Problem } from "./problems.js";
import { formOf, pathOf, post, problemOf, readJson, unanswered } from "./service.js";
import { within } from "./waiting.js";

const SILENCE_MS = 60_000; // the service says every few seconds how far it is

/**
 * @typedef {{type: "window"} & import("./service.js").Window} WindowLine
 * @typedef {{type: "progress", heard_s: number, duration_s?: number}} ProgressLine
 * @typedef {{type: "summary"} & import("./service.js").Answer} SummaryLine
 */

/**
 * @param {Blob} file
 * @param {string} name
 * @param {AbortSignal} signal ends it, on the service too
 * @param {string} model
 * @param {"mix" | "separate"} channels
 * @returns {AsyncGenerator<WindowLine | ProgressLine | SummaryLine>} throws a Problem; what came before it stays valid
 */
export async function* hear(file, name, signal, model, channels) {
  const path = `${pathOf("recordings", model)}${channels === "separate" ? "?channels=separate" : ""}`;
  const response = await post(path, formOf(file, name), signal, { Accept: "application/x-ndjson" });
  if (!response.ok) throw problemOf(response, await readJson(response));
  if (!response.body) throw new Problem("not_the_service");
  const late = () => {
    throw new Problem("timeout");
  };
  try {
    for await (const line of lines(response.body, (reading) => within(reading, SILENCE_MS, late))) {
      if (line.type === "problem") throw new Problem(line.code, { detail: line.detail, requestId: line.request_id });
      yield line;
      if (line.type === "summary") return;
    }
  } catch (error) {
    if (error instanceof SyntaxError) throw new Problem("not_the_service");
    throw unanswered(error);
  }
  throw new Problem("unreachable"); // the last line is missing
}
