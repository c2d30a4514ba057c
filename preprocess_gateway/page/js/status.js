/** What the page says of its own doing, and of what went wrong. */

import { Problem, wordsFor } from "./problems.js";
import { element } from "./page.js";

/**
 * @param {string} text
 * @param {boolean} [seen] whether it stands on the page already: then only for those who listen
 */
export function say(text, seen = false) {
  if (element("status").textContent !== text) element("status").textContent = text; // said once to those who listen
  element("status").classList.toggle("hidden", seen);
}

/** @param {unknown} error */
export function showProblem(error) {
  if (error instanceof DOMException && error.name === "AbortError") return; // another clip took its place
  const problem = error instanceof Problem ? error : new Problem("internal_error", { detail: String(error) });
  const words = wordsFor(problem.code);
  const wait = problem.retryAfterS ? ` The service asks to wait ${problem.retryAfterS} s.` : "";
  say("");
  element("problem-title").textContent = words.title;
  element("problem-advice").textContent = words.advice + wait;
  const detail = problem.detail && `The service said: ${problem.detail}.`;
  element("problem-detail").textContent = [detail, problem.requestId && `Request ${problem.requestId}`].filter(Boolean).join(" ");
  element("retry").hidden = !words.again;
  element("problem").hidden = false;
  element("problem-title").focus();
}
