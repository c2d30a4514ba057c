/** What every way to an answer shares: the player, what "Try again" does, and that there is one turn at a time. */

import { element } from "./page.js";
import { Player } from "./player.js";
import { say } from "./status.js";
import { Timeline } from "./timeline.js";

const OF_A_TURN = ["problem", "result", "timeline", "now", "long", "progress", "cancel"];

export class Stage {
  constructor() {
    this.player = new Player();
    this.timeline = new Timeline();
    this.turn = new AbortController();
    /** @type {() => void} */
    this.again = () => {};
    element("retry").addEventListener("click", () => this.again());
    element("cancel").addEventListener("click", () => {
      this.turn.abort();
      element("cancel").hidden = true;
      say("Cancelled.");
    });
  }

  /**
   * Give up whatever goes on, and begin something else.
   * @param {() => void} again what "Try again" does
   * @returns {AbortSignal} aborted as soon as something else begins in turn
   */
  begin(again) {
    this.turn.abort();
    this.turn = new AbortController();
    this.again = again;
    this.player.audio.pause();
    for (const id of OF_A_TURN) element(id).hidden = true;
    return this.turn.signal;
  }
}
