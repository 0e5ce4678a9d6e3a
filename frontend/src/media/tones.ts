/** Sounds of our own, made by WebAudio: ringing for a call that comes in, the ringing tone for one that goes out, a
 * test tone, key clicks. Nothing is downloaded. */

import { devices } from './devices.svelte';
import { audioContext } from './levels';

type Sinkable = AudioContext & { setSinkId?: (id: string) => Promise<void> };

let ringContext: Sinkable | null = null;
let ringing: ReturnType<typeof setInterval> | null = null;
let ringback: { stop: () => void } | null = null;

function beep(context: AudioContext, hz: number[], at: number, seconds: number, volume: number): OscillatorNode[] {
  const gain = context.createGain();
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(volume, at + 0.02);
  gain.gain.setValueAtTime(volume, at + seconds - 0.04);
  gain.gain.linearRampToValueAtTime(0, at + seconds);
  gain.connect(context.destination);
  return hz.map((frequency) => {
    const tone = context.createOscillator();
    tone.frequency.value = frequency;
    tone.connect(gain);
    tone.start(at);
    tone.stop(at + seconds);
    return tone;
  });
}

async function toDevice(context: Sinkable, id: string): Promise<void> {
  try {
    await context.setSinkId?.(id === 'default' ? '' : id);
  } catch {
    // The device is gone: the default one rings.
  }
}

export async function startRinging(): Promise<void> {
  if (ringing) return;
  ringContext ??= new AudioContext() as Sinkable;
  const context = ringContext;
  const chirp = () => {
    if (context.state !== 'running') {
      void context.resume();
      return;
    }
    const now = context.currentTime + 0.05;
    [0, 0.18, 0.36, 0.54].forEach((delay, i) => beep(context, i % 2 ? [660] : [528, 792], now + delay, 0.16, 0.16));
  };
  ringing = setInterval(chirp, 2000);
  await toDevice(context, devices.ringer);
  void context.resume();
  if (ringing) chirp();
}

export function stopRinging(): void {
  if (ringing) clearInterval(ringing);
  ringing = null;
}

/** 425 Hz, one second in five, as exchanges in Brazil and most of Europe send it. */
export function startRingback(): void {
  if (ringback) return;
  const context = audioContext();
  const sound = () => beep(context, [425], context.currentTime + 0.02, 1, 0.06);
  let current = sound();
  const timer = setInterval(() => (current = sound()), 5000);
  ringback = {
    stop: () => {
      clearInterval(timer);
      current.forEach((tone) => tone.stop());
    },
  };
}

export function stopRingback(): void {
  ringback?.stop();
  ringback = null;
}

export async function testTone(deviceId: string): Promise<void> {
  const context = new AudioContext() as Sinkable;
  await toDevice(context, deviceId);
  const last = [523, 659, 784].map((hz, i) => beep(context, [hz], context.currentTime + 0.05 + i * 0.28, 0.26, 0.2)[0]!);
  last[2]!.onended = () => void context.close();
}

const ROWS = [697, 770, 852, 941];
const COLUMNS = [1209, 1336, 1477];

export function keyTone(key: string): void {
  const at = '123456789*0#'.indexOf(key);
  if (at < 0) return;
  const context = audioContext();
  beep(context, [ROWS[Math.floor(at / 3)]!, COLUMNS[at % 3]!], context.currentTime + 0.01, 0.11, 0.05);
}
