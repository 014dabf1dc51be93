// Which stretch of time the bars show: a day, or a shorter window that moves with the clock while it holds the present.

import { HOUR, MINUTE, dateOf, dayOf, timeOfDay } from "./clock.js";

export const ZOOMS = { day: null, "6h": 6 * HOUR, "1h": HOUR, "10m": 10 * MINUTE };
const MARKS = [[15 * MINUTE, MINUTE], [2 * HOUR, 5 * MINUTE], [8 * HOUR, 30 * MINUTE], [48 * HOUR, 2 * HOUR]];
const AHEAD = 0.03; // of the window lies after the present

export class View {
  constructor() {
    this.zoom = "day";
    this.following = true;
    this.showDate(dateOf(Date.now()));
  }

  get date() {
    return dateOf((this.fromMs + this.toMs) / 2);
  }

  get holdsNow() {
    return this.fromMs <= Date.now() && Date.now() < this.toMs;
  }

  showDate(date) {
    this.zoom = "day";
    Object.assign(this, dayOf(date));
    this.following = this.holdsNow;
  }

  setZoom(zoom, aroundMs) {
    if (ZOOMS[zoom] === null) return this.showDate(this.date);
    const middle = aroundMs ?? (this.fromMs + this.toMs) / 2;
    this.following = this.following && aroundMs === null;
    this.zoom = zoom;
    this.fromMs = middle - ZOOMS[zoom] / 2;
    this.toMs = middle + ZOOMS[zoom] / 2;
    return this.follow();
  }

  /** Go by whole windows. */
  shift(steps) {
    if (this.zoom === "day") return this.showDate(dateOf(this.fromMs + 12 * HOUR, steps));
    const length = ZOOMS[this.zoom];
    this.fromMs += steps * length;
    this.toMs += steps * length;
    this.following = this.holdsNow;
    return this.follow();
  }

  now() {
    this.following = true;
    if (this.zoom === "day") this.showDate(dateOf(Date.now()));
    else this.follow();
  }

  /** Move with the clock; whether anything moved. */
  follow() {
    if (!this.following) return false;
    if (this.zoom === "day") {
      const midnight = !this.holdsNow;
      if (midnight) this.showDate(dateOf(Date.now()));
      return midnight;
    }
    this.toMs = Date.now() + ZOOMS[this.zoom] * AHEAD;
    this.fromMs = this.toMs - ZOOMS[this.zoom];
    return true;
  }
}

/** Write the hours or minutes over a bar. */
export function drawMarks(element, fromMs, toMs) {
  const few = element.clientWidth < 560 ? 3 : 1;
  const step = few * MARKS.find(([length]) => toMs - fromMs <= length)[1];
  const marks = [];
  for (let ms = dayOf(dateOf(fromMs)).fromMs; ms < toMs; ms += step) {
    if (ms < fromMs) continue;
    const mark = document.createElement("span");
    mark.textContent = timeOfDay(ms).slice(0, 5);
    mark.style.left = `${((ms - fromMs) / (toMs - fromMs)) * 100}%`;
    marks.push(mark);
  }
  element.replaceChildren(...marks);
}
