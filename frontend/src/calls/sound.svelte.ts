/** The sound of one call: the element that plays it, the meters of both directions, how good it is. */

import { devices } from '../media/devices.svelte';
import { Meter, TICK, type LineLevels } from '../media/levels';
import { SoundWatch } from '../media/quality';
import type { Sound } from '../api/types';
import type { Call } from './call';

/** A microphone that gives nothing at all for this long is muted in hardware. */
const FLAT_AFTER = 5000;
const FLAT = 0.00002;
const SPEAKING = 0.42;
const STATS_EVERY = 2000;

type Playing = HTMLAudioElement & { setSinkId?: (id: string) => Promise<void> };

export class CallSound {
  /** The microphone gives a flat line. */
  flat = $state(false);
  /** They speak while muted. */
  unheard = $state(false);
  /** The browser wants a click before it plays. */
  blocked = $state(false);
  hear = $state<Sound | null>(null);
  heard = $state<Sound | null>(null);
  lossIn = $state(0);
  lossOut = $state(0);
  readonly watch = new SoundWatch();
  #audio: Playing;
  #me: Meter | null = null;
  #own: MediaStream | null = null;
  #them: Meter | null = null;
  #timer: ReturnType<typeof setInterval>;
  #quietSince = 0;
  #spokeAt = 0;
  #muted = false;
  #held = false;
  #up = false;

  constructor(
    id: string,
    readonly levels: LineLevels,
  ) {
    this.#audio = document.createElement('audio');
    this.#audio.autoplay = true;
    this.#audio.dataset.call = id;
    document.body.append(this.#audio);
    this.#timer = setInterval(() => this.#tick(), TICK);
  }

  /** Our microphone. A clone is metered, so that speaking while muted is noticed. */
  speak(stream: MediaStream): void {
    this.#closeOwn();
    this.#own = stream.clone();
    this.#own.getTracks().forEach((track) => (track.enabled = true));
    this.#me = new Meter(this.#own);
    this.#quietSince = Date.now();
  }

  hearThem(stream: MediaStream): void {
    this.#audio.srcObject = stream;
    this.#them?.close();
    this.#them = new Meter(stream);
    void this.#route();
    this.play();
  }

  play(): void {
    this.#audio.play().then(
      () => (this.blocked = false),
      (error: DOMException) => (this.blocked = error.name === 'NotAllowedError'),
    );
  }

  follow(call: Call): void {
    this.#muted = call.muted;
    this.#held = call.held !== null;
    this.#up = call.phase === 'talking';
    if (this.#muted || this.#held) this.#quietSince = Date.now();
  }

  count(report: RTCStatsReport): void {
    this.watch.read([...report.values()] as Record<string, unknown>[], Date.now());
    this.hear = this.watch.hear;
    this.heard = this.watch.heard;
    this.lossIn = this.watch.lossIn;
    this.lossOut = this.watch.lossOut;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#closeOwn();
    this.#them?.close();
    this.#audio.srcObject = null;
    this.#audio.remove();
  }

  static readonly statsEvery = STATS_EVERY;

  #closeOwn(): void {
    this.#me?.close();
    this.#own?.getTracks().forEach((track) => track.stop());
  }

  async #route(): Promise<void> {
    try {
      if (devices.speaker) await this.#audio.setSinkId?.(devices.speaker);
    } catch {
      // The chosen speaker is gone: the default one plays.
    }
  }

  #tick(): void {
    const now = Date.now();
    const me = this.#me?.read() ?? 0;
    const silent = this.#muted || this.#held;
    this.levels.push(silent ? 0 : me, this.#held ? 0 : (this.#them?.read() ?? 0));
    if (this.#muted && me > SPEAKING) this.#spokeAt = now;
    this.unheard = this.#muted && now - this.#spokeAt < 3000;
    if (!this.#me?.running || !this.#up || silent || this.#me.rms > FLAT) this.#quietSince = now;
    this.flat = now - this.#quietSince > FLAT_AFTER;
  }
}
