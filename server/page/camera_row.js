// One camera of the list: its name, how it is, and its bar.

import { readTimeline } from "./api.js";
import { SECOND, dateOf, moment, timeOfDay } from "./clock.js";
import { DayBar } from "./day_bar.js";

export const RECENT = 10 * SECOND; // "newest": far enough behind that pieces are not tiny

export class CameraRow {
  /** `onPlay(camera, ms)`: somebody wants to see this camera from this moment on. */
  constructor(camera, view, hint, onPlay) {
    this.camera = camera;
    this.view = view;
    this.onPlay = onPlay;
    this.visible = false;
    this.readAt = 0;
    this.said = [];
    this.element = document.createElement("li");
    this.button = this.element.appendChild(document.createElement("button"));
    this.button.type = "button";
    this.button.className = "name";
    this.title = this.button.appendChild(document.createElement("b"));
    this.line = this.button.appendChild(document.createElement("small"));
    this.button.addEventListener("click", () => this.playNewest());
    this.remarks = document.createElement("ul");
    this.remarks.className = "remarks";
    this.bar = new DayBar(`Footage of ${camera.name}`, hint, (ms) => onPlay(this.camera, ms));
    this.element.append(this.bar.element, this.remarks);
    this.move();
  }

  /** `said`: why it fails and what is odd about it, or nothing. */
  update(camera, playing, said) {
    this.camera = camera;
    this.mark(playing);
    this.title.textContent = camera.name;
    this.line.textContent = [sentence(camera), camera.site].join(" · ");
    this.line.title = this.line.textContent;
    this.button.title = `Play the newest footage of ${camera.name}`;
    this.said = said ? sentences(said) : [];
    if (this.remarks.textContent === this.said.join("")) return; // whoever has selected the words keeps them
    this.remarks.replaceChildren(...this.said.map(item));
  }

  /** Who needs to be looked at comes first: 0 fails, 1 has remarks, then those that are not there yet, and the rest. */
  get rank() {
    if (this.camera.state === "failed") return 0;
    if (this.said.length) return 1;
    return { connecting: 2, recording: 3, disabled: 4 }[this.camera.state];
  }

  /** Whether all words are somewhere in what is said of it. */
  says(words) {
    const text = `${this.title.textContent} ${this.line.textContent} ${this.said.join(" ")}`.toLowerCase();
    return words.every((word) => text.includes(word));
  }

  mark(playing) {
    this.element.className = `${this.camera.state}${playing ? " playing" : ""}`;
  }

  playNewest() {
    const throughMs = this.camera.durable_through ? Date.parse(this.camera.durable_through) : Date.now();
    this.onPlay(this.camera, throughMs - RECENT);
  }

  /** Take over the view; what is drawn stays until the new timeline is there. */
  move() {
    this.bar.show(this.view.fromMs, this.view.toMs);
  }

  async read() {
    this.readAt = Date.now();
    const { fromMs, toMs } = this.view;
    this.bar.set(await readTimeline(this.camera.id, fromMs, Math.max(fromMs + 1, Math.min(toMs, Date.now() + SECOND))));
  }
}

function sentence(camera) {
  const since = camera.since ? ` since ${sinceWhen(Date.parse(camera.since))}` : "";
  const reason = camera.reason && camera.state !== "disabled" ? `, ${camera.reason.replaceAll("_", " ")}` : "";
  return `${camera.state}${reason}${since}`;
}

/** Why it fails, in the recorder's words, and what is odd about it, since when. */
function sentences({ detail, remarks }) {
  const odd = remarks.map((remark) => `${remark.words}, since ${sinceWhen(Date.parse(remark.since))}`);
  return detail ? [detail, ...odd] : odd;
}

function item(text) {
  const element = document.createElement("li");
  element.textContent = text;
  return element;
}

const sinceWhen = (ms) => (dateOf(ms) === dateOf(Date.now()) ? timeOfDay(ms) : moment(ms));
