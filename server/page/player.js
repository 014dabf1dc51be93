// Plays a camera from a moment on, piece after piece.
//
// A piece is an exact mp4 of at most five minutes inside one span, so the wall time of each frame is the time of the
// piece's first frame plus the position in the file. Two video elements take turns: while one plays, the other loads
// the next piece. At a gap playing goes on where footage begins again; at the end of the footage it waits for more, and
// near the present it goes no faster than time. Nothing ends it but the person: whatever fails is tried again. Of what
// is looked for while a picture still runs nothing is said: it may be there when the picture ends.

import { describeVideo, readTimeline } from "./api.js";
import { HOUR, MINUTE, SECOND, duration, moment } from "./clock.js";

const PIECE = 5 * MINUTE;
const LOOK_AHEAD = 24 * HOUR;
const PREPARE = 5 * SECOND; // before the end of a piece, at normal speed
const RETRY = 1 * SECOND;
const PRESENT = 15 * SECOND; // how far behind the clock the newest footage may be
const READ = 5 * SECOND; // a sentence that nothing else takes away

export class Player {
  /** `on.time(ms)` follows the picture, `on.notice(text)` is what to tell the person, "" for nothing. */
  constructor(videos, on) {
    this.videos = videos;
    this.on = on;
    this.camera = null;
    this.speed = 1;
    this.wanted = true; // playing, not paused
    this.turn = 0;
    this.run = null; // aborts everything that was begun for an earlier wish
    this.trouble = ""; // why there is no next piece yet
    for (const video of videos) {
      video.addEventListener("ended", () => video === this.video && this.advance());
      video.addEventListener("error", () => video.hulta && this.failed(video));
      video.addEventListener("timeupdate", () => video === this.video && this.tick());
    }
    this.follow();
  }

  get video() {
    return this.videos[this.turn];
  }

  get spare() {
    return this.videos[1 - this.turn];
  }

  /** The wall time of the picture. */
  get wallMs() {
    const piece = this.video.hulta;
    return piece ? piece.firstMs + this.video.currentTime * 1000 : this.startMs;
  }

  /** How fast to play: what lies between the picture and the present cannot be hurried. */
  get rate() {
    return Date.now() - this.wallMs < PRESENT ? Math.min(this.speed, 1) : this.speed;
  }

  /** Whether a picture is there that has not ended. */
  get showing() {
    return Boolean(this.video.hulta) && !this.video.ended;
  }

  say(text) {
    clearTimeout(this.forgetting);
    this.on.notice(text);
  }

  /** The next piece is not there yet; said as soon as the picture stands still. */
  lack(text) {
    this.trouble = text;
    if (!this.showing) this.say(text);
  }

  /** Play a camera from a moment on. */
  play(camera, ms) {
    this.stop();
    this.camera = camera;
    this.startMs = ms;
    this.wanted = true;
    this.begin(ms);
  }

  /** Go to another moment of the same camera; inside the piece that is there, at once. */
  seek(ms) {
    const piece = this.video.hulta;
    if (piece && ms >= piece.firstMs && ms < piece.toMs - SECOND / 10) {
      this.video.currentTime = (ms - piece.firstMs) / 1000;
      this.forget(this.spare);
      if (this.wanted) this.video.play().catch(() => {});
    } else {
      const wanted = this.wanted;
      this.play(this.camera, ms);
      this.wanted = wanted;
    }
  }

  toggle() {
    this.wanted = !this.wanted;
    if (this.wanted) this.video.play().catch(() => {});
    else this.video.pause();
  }

  setSpeed(speed) {
    this.speed = speed;
    this.video.playbackRate = this.rate;
  }

  stop() {
    this.run?.abort();
    this.run = new AbortController();
    this.coming = null;
    for (const video of this.videos) this.forget(video);
    this.trouble = "";
    this.say("");
  }

  async begin(ms) {
    const { signal } = this.run;
    this.say("Loading");
    const piece = await this.find(ms, signal);
    if (!piece) return;
    this.load(this.video, piece);
    this.reveal();
  }

  /**
   * The next piece of footage from a moment on: waits for one if it must. Null when something else was wished.
   * `from` may be the text of a time: pieces that follow one another share no frame and lose none.
   */
  async find(from, signal) {
    const ms = typeof from === "number" ? from : Date.parse(from);
    while (!signal.aborted) {
      try {
        const { spans } = await readTimeline(this.camera.id, from, ms + LOOK_AHEAD, { signal });
        if (spans.length) {
          const [span] = spans; // clipped to what was asked
          const to = span.toMs - span.fromMs > PIECE ? span.fromMs + PIECE : span.to;
          return await describeVideo(this.camera.id, span.from, to, { signal });
        }
        const newest = Math.abs(Date.now() - ms) < PRESENT;
        this.lack(newest ? "This is the newest footage; waiting for more" : `Nothing was recorded after ${moment(ms)}; waiting for more`);
      } catch (error) {
        if (signal.aborted) return null;
        if (!error.noFootage) this.lack(`${error.message} Trying again`);
      }
      await new Promise((done) => setTimeout(done, RETRY));
    }
    return null;
  }

  load(video, piece) {
    video.hulta = piece;
    video.src = piece.url;
    video.load();
  }

  forget(video) {
    video.hulta = null;
    video.classList.remove("shown");
    video.removeAttribute("src");
    video.load();
  }

  /** Show the active video and let it run. */
  reveal() {
    this.video.classList.add("shown");
    this.spare.classList.remove("shown");
    this.video.playbackRate = this.rate;
    if (this.wanted) this.video.play().catch(() => {});
    this.trouble = "";
    this.say("");
    this.tick();
  }

  tick() {
    const piece = this.video.hulta;
    if (!piece) return;
    this.on.time(this.wallMs);
    if (this.video.playbackRate !== this.rate) this.video.playbackRate = this.rate;
    const leftMs = (this.video.duration - this.video.currentTime) * 1000;
    if (leftMs < PREPARE * Math.max(1, this.rate) && !this.spare.hulta && !this.coming) this.prepare(piece);
  }

  /** Load what follows a piece into the spare video. */
  prepare(piece) {
    const { signal } = this.run;
    this.coming = this.find(piece.to, signal).then((next) => {
      if (signal.aborted || this.video.hulta !== piece) return;
      this.coming = null;
      if (next) this.load(this.spare, next);
      if (next && this.video.ended) this.advance();
    });
  }

  /** The active piece has ended: take turns. */
  advance() {
    const before = this.video.hulta;
    const next = this.spare.hulta;
    if (!next) {
      if (this.trouble) this.say(this.trouble);
      if (!this.coming) this.prepare(before);
      return; // `prepare` comes back here
    }
    this.turn = 1 - this.turn;
    this.reveal();
    this.spare.hulta = null;
    const skippedMs = next.firstMs - before.toMs;
    if (skippedMs > 2 * SECOND) {
      this.say(`Skipped ${duration(skippedMs)} without footage`);
      this.forgetting = setTimeout(() => this.on.notice(""), READ);
    }
  }

  /** A piece could not be loaded or decoded: the server went away, or the footage did. Ask again from where it was. */
  failed(video) {
    const active = video === this.video;
    const ms = active ? this.wallMs : null;
    this.forget(video);
    if (!active) return;
    this.say("The picture was interrupted. Trying again");
    const { signal } = this.run;
    setTimeout(() => signal.aborted || this.begin(ms), RETRY);
  }

  /** Follow the picture frame by frame where the browser can say which one it shows. */
  follow() {
    if (!("requestVideoFrameCallback" in HTMLVideoElement.prototype)) return;
    for (const video of this.videos) {
      const shown = (_now, frame) => {
        if (video === this.video && video.hulta) this.on.time(video.hulta.firstMs + frame.mediaTime * 1000);
        video.requestVideoFrameCallback(shown);
      };
      video.requestVideoFrameCallback(shown);
    }
  }
}
