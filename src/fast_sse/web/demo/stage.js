// What moves: a dot runs along a lane for each message, and dots pile up in a tray while messages wait. Only a picture of
// what has happened: the numbers beside it are right at once. Who prefers reduced motion sees the trays and no runs.

import { element } from "./dom.js";

const RUN_MS = 480;
const STEP_MS = 90; // between two dots on one lane
const LATE_MS = 2500; // what would leave later than that does not run
const PILE_MAX = 12;
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** The time that a dot is on its way. */
export const RUN = RUN_MS;

export class Lane {
  #lane;
  #free = 0;

  constructor(lane) {
    this.#lane = lane;
    lane.dataset.runs = "0";
  }

  /** One dot, `after` some ms and behind those that run already; `leaves` is called when it starts. */
  run(kind, after = 0, leaves = () => {}) {
    this.#lane.dataset.runs = String(Number(this.#lane.dataset.runs) + 1);
    const now = performance.now();
    const at = Math.max(now + after, this.#free);
    if (still.matches || document.hidden || at - now > LATE_MS) {
      leaves();
      return;
    }
    this.#free = at + STEP_MS;
    setTimeout(() => {
      leaves();
      const dot = element("span", `dot ${kind}`);
      this.#lane.append(dot);
      const path = [{ left: "-.9rem", opacity: 0 }, { opacity: 1, offset: 0.15 }, { opacity: 1, offset: 0.85 }, { left: "calc(100% + .9rem)", opacity: 0 }];
      const run = dot.animate(path, { duration: RUN_MS, easing: "ease-in-out" });
      run.onfinish = run.oncancel = () => dot.remove();
    }, at - now);
  }
}

export class Tray {
  #tray;
  #count = 0;

  constructor(tray) {
    this.#tray = tray;
  }

  /** Show so many. */
  set(count) {
    this.#count = Math.max(0, count);
    const dots = Math.min(this.#count, PILE_MAX);
    while (this.#tray.children.length > dots) this.#tray.lastElementChild.remove();
    while (this.#tray.children.length < dots) this.#tray.append(element("span", "dot waits-here"));
  }

  /** One has left. */
  less() {
    this.set(this.#count - 1);
  }
}
