/** Which of a clip's channels is shown: all mixed, or one of them. */

import { element } from "./page.js";

/** @typedef {import("./service.js").Answer} Answer */

/**
 * Buttons to choose by, where there is something to choose.
 * @param {readonly number[]} numbers of the channels to choose from, 0 for the mixture
 * @param {number} shown the number of the channel that is shown, 0 for the mixture
 * @param {(channel: number) => void} choose called with the channel's number, 0 for the mixture
 */
export function showChannels(numbers, shown, choose) {
  const group = element("channels");
  group.hidden = numbers.length < 2;
  const buttons = numbers.map((channel) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = channel ? `Channel ${channel}` : "Mixed";
    button.setAttribute("aria-pressed", String(channel === shown));
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      choose(channel);
    });
    return button;
  });
  group.replaceChildren(...buttons);
}

/**
 * What an answer to separate channels says of one of them.
 * @param {Answer} answer
 * @param {number} channel counted from 1
 * @returns {Answer}
 */
export function ofChannel(answer, channel) {
  const heard = answer.channels?.find((each) => each.channel === channel);
  return heard ? { ...answer, reason: undefined, ...heard } : answer;
}
