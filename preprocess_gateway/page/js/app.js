/** The page: several ways to a clip, one way to its answer. */

import { Clips } from "./clips.js";
import { offerExamples } from "./examples.js";
import { History } from "./history.js";
import { Live } from "./live.js";
import { closeByEscape } from "./meanings.js";
import { followAddress } from "./options.js";
import { element, limit } from "./page.js";
import { Recordings } from "./recordings.js";
import { Speaking } from "./speaking.js";
import { Stage } from "./stage.js";
import { duration } from "./words.js";

/** @param {(files: File[]) => void} open */
function takeFiles(open) {
  const input = /** @type {HTMLInputElement} */ (element("file"));
  element("choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const chosen = [...(input.files ?? [])];
    input.value = ""; // so that the same file can be chosen again
    open(chosen);
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
    open([...(event.dataTransfer?.files ?? [])]);
  });
}

const longest = Math.max(limit("max-duration-s"), limit("max-recording-s"));
element("limit").textContent = Number.isFinite(longest) ? duration(longest) : "what the service allows";
const stage = new Stage();
const history = new History();
const clips = new Clips(stage, history, new Recordings(stage, history));
new Live(stage, history);
new Speaking(stage, clips);
takeFiles((files) => void clips.openAll(files));
followAddress();
closeByEscape();
void offerExamples((name, fetched) => void clips.example(name, fetched));
