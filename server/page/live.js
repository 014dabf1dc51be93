// Plays a camera live: fragments of one picture each come over a WebSocket and go into a media source.
//
// The picture is kept a moment behind the newest one; when it falls further behind (the tab slept, the line stalled) it
// jumps. Whatever ends the connection, it is tried again until the person wants something else.

import { liveUrl } from "./api.js";
import { SECOND } from "./clock.js";

const BEHIND = 0.05; // seconds
const LATE = 0.2; // from here on it plays a little faster
const MOST_BEHIND = 0.6; // from here on it jumps
const KEPT = 20; // seconds of what was shown
const MOST_WAITING = 1000; // fragments that the browser did not take yet
const RETRY = SECOND;

export class Live {
  /** `on.time(ms)` follows the picture, `on.notice(text)` is what to tell the person, "" for nothing. */
  constructor(video, on) {
    this.video = video;
    this.on = on;
    this.camera = null;
    this.wanted = true; // playing, not paused
    this.zeroMs = 0;
    video.addEventListener("error", () => this.source && this.again("The picture was interrupted. Trying again"));
    this.follow();
  }

  /** The wall time of the picture. */
  get wallMs() {
    return this.video.readyState ? this.zeroMs + this.video.currentTime * 1000 : Date.now();
  }

  play(camera) {
    this.stop();
    this.camera = camera;
    this.wanted = true;
    this.video.classList.add("shown");
    this.connect();
  }

  stop() {
    this.camera = null;
    this.disconnect();
    this.video.classList.remove("shown");
    this.on.notice("");
  }

  /** What is paused stands still; going on is going to the present. */
  toggle() {
    this.wanted = !this.wanted;
    if (this.wanted) this.keepUp();
    else this.video.pause();
  }

  connect() {
    this.on.notice("Loading");
    this.waiting = [];
    this.socket = new WebSocket(liveUrl(this.camera.id));
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => (typeof data === "string" ? this.begin(JSON.parse(data)) : this.add(data));
    this.socket.onclose = ({ reason }) => this.again(`${reason || "The server does not answer"}. Trying again`);
  }

  disconnect() {
    clearTimeout(this.retry);
    if (this.socket) this.socket.onmessage = this.socket.onclose = null;
    this.socket?.close();
    this.socket = this.source = this.buffer = null;
    if (this.video.src) URL.revokeObjectURL(this.video.src);
    this.video.removeAttribute("src");
    this.video.load();
  }

  again(text) {
    this.disconnect();
    this.on.notice(text);
    this.retry = setTimeout(() => this.connect(), RETRY);
  }

  /** What comes from here on: the first description, or another after the camera or the recorder began anew. */
  begin(media) {
    this.zeroMs = Date.parse(media.zero);
    if (!MediaSource.isTypeSupported(media.mime)) {
      this.disconnect();
      this.on.notice(`This browser cannot show ${media.mime}`);
    } else if (this.source) {
      this.waiting.push(() => this.buffer.changeType(media.mime));
    } else {
      const source = (this.source = new MediaSource());
      source.addEventListener("sourceopen", () => source === this.source && this.open(media.mime), { once: true });
      this.video.src = URL.createObjectURL(source);
    }
  }

  open(mime) {
    this.buffer = this.source.addSourceBuffer(mime);
    this.buffer.addEventListener("updateend", () => this.took());
    this.pump();
  }

  add(fragment) {
    this.waiting.push(fragment);
    if (this.waiting.length > MOST_WAITING) this.again("The browser does not keep up. Trying again");
    else this.pump();
  }

  pump() {
    if (!this.buffer || this.buffer.updating || !this.waiting.length) return;
    const next = this.waiting.shift();
    if (typeof next === "function") {
      next();
      this.pump();
    } else {
      this.buffer.appendBuffer(next);
    }
  }

  took() {
    const { buffered } = this.video;
    if (!this.buffer) return;
    if (this.wanted) this.keepUp();
    if (buffered.length && this.video.currentTime - buffered.start(0) > 2 * KEPT) {
      this.buffer.remove(0, this.video.currentTime - KEPT);
    } else {
      this.pump();
    }
  }

  keepUp() {
    const { video } = this;
    const { buffered } = video;
    if (!buffered.length) return;
    const start = buffered.start(buffered.length - 1);
    const end = buffered.end(buffered.length - 1);
    const behind = end - video.currentTime;
    if (video.currentTime < start || behind > MOST_BEHIND) video.currentTime = Math.max(start, end - BEHIND);
    video.playbackRate = behind > LATE && behind <= MOST_BEHIND ? 1.1 : 1;
    if (video.paused) video.play().then(() => this.on.notice(""), () => {});
  }

  follow() {
    const shown = (_now, frame) => {
      if (this.camera && this.source) this.on.time(this.zeroMs + frame.mediaTime * 1000);
      this.video.requestVideoFrameCallback(shown);
    };
    if ("requestVideoFrameCallback" in HTMLVideoElement.prototype) this.video.requestVideoFrameCallback(shown);
  }
}
