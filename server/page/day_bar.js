// A bar of time: footage, and what is not there and why. A day in the list, ten minutes under the player.

import { duration, moment, timeOfDay, MINUTE, SECOND } from "./clock.js";

const COLOURS = { spans: "--span", missing: "--missing", gaps: "--gap", expired: "--expired", pending: "--pending" };
const WORDS = { spans: "recorded", missing: "missing", expired: "deleted by policy", pending: "not known yet" };
const LEAST_PIXELS = 2; // a gap of a second is seen in a day, too
const SNAP_PIXELS = 5;
const STEPS = {
  ArrowLeft: -10 * SECOND,
  ArrowRight: 10 * SECOND,
  ArrowDown: -MINUTE,
  ArrowUp: MINUTE,
  PageDown: -10 * MINUTE,
  PageUp: 10 * MINUTE,
};

export class DayBar {
  /** `onPick(ms)` is called with the moment that was clicked, or chosen with the keyboard and Enter. */
  constructor(label, hint, onPick) {
    this.hint = hint;
    this.onPick = onPick;
    this.timeline = null;
    this.cursorMs = null;
    this.playedMs = null;
    this.element = document.createElement("div");
    this.element.className = "bar";
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "slider");
    this.element.setAttribute("aria-label", label);
    this.canvas = this.element.appendChild(document.createElement("canvas"));
    this.element.addEventListener("click", (event) => this.onPick(this.snapped(event)));
    this.element.addEventListener("pointermove", (event) => this.explain(event));
    this.element.addEventListener("pointerleave", () => this.explain(null));
    this.element.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.element);
    this.show(0, 1);
  }

  /** Show another stretch of time. */
  show(fromMs, toMs) {
    this.fromMs = fromMs;
    this.toMs = toMs;
    this.element.setAttribute("aria-valuemin", fromMs);
    this.element.setAttribute("aria-valuemax", toMs);
    this.point(this.cursorMs);
  }

  set(timeline) {
    this.timeline = timeline;
    this.draw();
  }

  /** Mark what is being played; null: nothing. */
  play(ms) {
    this.playedMs = ms;
    this.draw();
  }

  point(ms) {
    this.cursorMs = ms;
    const at = Math.min(Math.max(ms ?? this.fromMs, this.fromMs), this.toMs);
    this.element.setAttribute("aria-valuenow", at);
    this.element.setAttribute("aria-valuetext", `${moment(at)}, ${this.describe(at)}`);
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !this.canvas) return;
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    const pen = this.canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(this.element);
    const colour = (name) => style.getPropertyValue(name);
    for (const [kind, part] of this.parts()) {
      pen.fillStyle = colour(kind === "spans" && part.damaged ? "--damaged" : COLOURS[kind]);
      this.block(pen, part, height);
    }
    this.needle(pen, this.cursorMs, colour("--quiet"), height);
    this.needle(pen, this.playedMs, colour("--cursor"), height);
  }

  /** Everything that is drawn, the longest first: what is short is never hidden. */
  parts() {
    const parts = Object.keys(this.timeline ? COLOURS : {}).flatMap((kind) => this.timeline[kind].map((part) => [kind, part]));
    return parts.sort(([, a], [, b]) => b.toMs - b.fromMs - (a.toMs - a.fromMs));
  }

  block(pen, part, height) {
    const left = Math.max(0, this.x(part.fromMs));
    const right = Math.min(this.element.clientWidth, this.x(part.toMs));
    if (right > 0 && left < this.element.clientWidth) {
      pen.fillRect(left, 0, Math.max(right - left, LEAST_PIXELS), height);
    }
  }

  needle(pen, ms, colour, height) {
    if (ms === null || ms < this.fromMs || ms > this.toMs) return;
    pen.fillStyle = colour;
    pen.fillRect(this.x(ms) - 1, 0, 2, height);
  }

  x(ms) {
    return ((ms - this.fromMs) / (this.toMs - this.fromMs)) * this.element.clientWidth;
  }

  at(event) {
    const box = this.element.getBoundingClientRect();
    return this.fromMs + ((event.clientX - box.left) / box.width) * (this.toMs - this.fromMs);
  }

  /** The moment under the pointer; a click just beside footage means the footage. */
  snapped(event) {
    const ms = this.at(event);
    const reach = (SNAP_PIXELS * (this.toMs - this.fromMs)) / this.element.clientWidth;
    const spans = this.timeline?.spans ?? [];
    if (spans.some((span) => span.fromMs <= ms && ms < span.toMs)) return ms;
    const near = spans.find((span) => span.fromMs - reach <= ms && ms < span.toMs + reach);
    if (!near) return ms;
    return ms < near.fromMs ? near.fromMs : Math.max(near.fromMs, near.toMs - 30 * SECOND);
  }

  /** What there is at a moment, in words. */
  describe(ms) {
    const found = this.parts().find(([, part]) => part.fromMs <= ms && ms < part.toMs);
    return found ? this.sentence(...found) : "nothing";
  }

  sentence(kind, part) {
    const what = kind === "gaps" ? `gap: ${part.reason.replaceAll("_", " ")}` : WORDS[kind];
    const loss = kind === "spans" && part.damaged ? ", with losses" : "";
    const detail = part.detail ? `\n${part.detail}` : "";
    const range = `${timeOfDay(part.fromMs)} to ${timeOfDay(part.toMs)}, ${duration(part.toMs - part.fromMs)}`;
    return `${what}${loss}\n${range}${detail}`;
  }

  explain(event) {
    this.hint.hidden = event === null;
    if (event === null) return;
    const ms = this.at(event);
    this.hint.textContent = `${timeOfDay(ms)}  ${this.describe(ms)}`;
    const { offsetWidth: width, offsetHeight: height } = this.hint;
    this.hint.style.left = `${Math.min(event.clientX + 14, window.innerWidth - width - 8)}px`;
    this.hint.style.top = `${event.clientY + 18 + height > window.innerHeight ? event.clientY - height - 10 : event.clientY + 18}px`;
  }

  key(event) {
    const now = this.cursorMs ?? this.playedMs ?? this.lastFootage();
    if (event.key in STEPS) this.point(Math.min(Math.max(now + STEPS[event.key], this.fromMs), this.toMs));
    else if (event.key === "Home") this.point(this.fromMs);
    else if (event.key === "End") this.point(this.lastFootage());
    else if (event.key === "Enter" || event.key === " ") this.onPick(now);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  lastFootage() {
    const last = this.timeline?.spans.at(-1);
    return last ? Math.max(last.fromMs, last.toMs - 30 * SECOND) : this.fromMs;
  }
}
