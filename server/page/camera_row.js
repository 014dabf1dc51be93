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
    this.element = document.createElement("li");
    this.button = this.element.appendChild(document.createElement("button"));
    this.button.type = "button";
    this.button.className = "name";
    this.title = this.button.appendChild(document.createElement("b"));
    this.line = this.button.appendChild(document.createElement("small"));
    this.button.addEventListener("click", () => this.playNewest());
    this.bar = new DayBar(`Footage of ${camera.name}`, hint, (ms) => onPlay(this.camera, ms));
    this.element.append(this.bar.element);
    this.move();
  }

  update(camera, playing) {
    this.camera = camera;
    this.element.className = `${camera.state}${playing ? " playing" : ""}`;
    this.title.textContent = camera.name;
    this.line.textContent = [sentence(camera), camera.site].join(" · ");
    this.line.title = this.line.textContent;
    this.button.title = `Play the newest footage of ${camera.name}`;
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

const sinceWhen = (ms) => (dateOf(ms) === dateOf(Date.now()) ? timeOfDay(ms) : moment(ms));
