/** What the emotions' words mean here, shown on hover and by keyboard. */

import { button, make } from "./page.js";

// How actors were told to speak, in the words of listeners.
const MEANINGS = /** @type {Readonly<Record<string, string>>} */ ({
  angry: "The voice sounds angry: loud, tense and hard, with stressed words.",
  boredom: "The voice sounds bored: slow, flat and low.",
  calm: "The voice sounds calm: slow, soft and even, with a pleasant tone.",
  disgust: "The voice sounds disgusted: drawn out and low, as at something that repels.",
  fearful: "The voice sounds afraid: high, fast and unsteady.",
  happy: "The voice sounds happy: bright and lively, with a pitch that moves a lot.",
  neutral: "The voice sounds neutral: even, without a feeling that a listener could name.",
  sad: "The voice sounds sad: slow, quiet and falling, sometimes near tears.",
  surprised: "The voice sounds surprised: its pitch rises quickly, as at something unexpected.",
});

let count = 0;

/**
 * An emotion's word with its meaning; only the word where there is none.
 * @param {string} emotion
 * @returns {HTMLElement}
 */
export function term(emotion) {
  const meaning = MEANINGS[emotion];
  if (!meaning) return make("span", emotion, "term");
  const around = make("span", "", "term");
  const tip = make("span", meaning, "tip");
  tip.setAttribute("role", "tooltip");
  count += 1;
  tip.id = `meaning-${count}`;
  const word = button(emotion, () => around.classList.remove("closed"), "word");
  word.setAttribute("aria-describedby", tip.id);
  for (const name of ["mouseleave", "focusout"]) around.addEventListener(name, () => around.classList.remove("closed"));
  around.append(word, tip);
  return around;
}

/** Escape closes what is shown, wherever the focus is. */
export function closeByEscape() {
  document.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape") return;
    for (const around of document.querySelectorAll(".term:is(:hover, :focus-within)")) around.classList.add("closed");
  });
}
