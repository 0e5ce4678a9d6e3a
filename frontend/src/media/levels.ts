/** How loud a stream is, 20 times a second, from an AnalyserNode. One AudioContext serves the whole page; until a
 * gesture allows it to run, levels read 0. */

export const TICK = 50;
export const KEPT = 240;

let shared: AudioContext | null = null;

export function audioContext(): AudioContext {
  shared ??= new AudioContext({ latencyHint: 'interactive' });
  if (shared.state === 'suspended') void shared.resume();
  return shared;
}

for (const gesture of ['pointerdown', 'keydown'] as const) {
  addEventListener(gesture, () => shared?.state === 'suspended' && void shared.resume(), { passive: true });
}

/** RMS to the height of a bar, 0 to 1: -60 dBFS is silence, -12 dBFS is full. */
export function height(rms: number): number {
  if (rms <= 0.001) return 0;
  return Math.min(1, (20 * Math.log10(rms) + 60) / 48);
}

export class Meter {
  level = 0;
  rms = 0;
  #analyser: AnalyserNode;
  #source: MediaStreamAudioSourceNode;
  #samples: Float32Array<ArrayBuffer>;

  constructor(stream: MediaStream) {
    const context = audioContext();
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = 1024;
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#source = context.createMediaStreamSource(stream);
    this.#source.connect(this.#analyser);
  }

  read(): number {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    this.rms = Math.sqrt(sum / this.#samples.length);
    this.level = height(this.rms);
    return this.level;
  }

  get running(): boolean {
    return audioContext().state === 'running';
  }

  close(): void {
    this.#source.disconnect();
  }
}

/** The last seconds of both directions of one call. */
export class LineLevels {
  readonly me = new Float32Array(KEPT);
  readonly them = new Float32Array(KEPT);
  /** Ticks counted so far; the newest value stands at (count - 1) % KEPT. */
  count = 0;

  push(me: number, them: number): void {
    const at = this.count % KEPT;
    this.me[at] = me;
    this.them[at] = them;
    this.count += 1;
  }
}
