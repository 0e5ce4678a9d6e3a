/** How a direction sounds, from what the browser counted; a word changes only when it has stood for five seconds. */

import type { Sound } from '../api/types';

export interface Counted {
  /** Packets that came since the last look, and those that did not. */
  packets: number;
  lost: number;
  jitterMs: number;
  rttMs: number | null;
}

export const SETTLE = 5000;

export function grade({ packets, lost, jitterMs, rttMs }: Counted): Sound {
  if (packets === 0) return 'none';
  const loss = lost / (packets + lost);
  if (loss > 0.05 || jitterMs > 80 || (rttMs ?? 0) > 800) return 'poor';
  if (loss > 0.01 || jitterMs > 30 || (rttMs ?? 0) > 400) return 'fair';
  return 'clear';
}

export class Steady {
  word: Sound | null = null;
  #next: Sound | null = null;
  #since = 0;

  see(word: Sound, now: number): Sound {
    if (this.word === null) this.word = word;
    if (word === this.word) this.#next = null;
    else if (word !== this.#next) {
      this.#next = word;
      this.#since = now;
    } else if (now - this.#since >= SETTLE) {
      this.word = word;
      this.#next = null;
    }
    return this.word;
  }
}

interface Totals {
  packets: number;
  lost: number;
}

const rise = (now: Totals, before: Totals | null): Totals => ({
  packets: Math.max(0, now.packets - (before?.packets ?? 0)),
  lost: Math.max(0, now.lost - (before?.lost ?? 0)),
});

/** Both directions of one call out of its statistics, asked every two seconds. */
export class SoundWatch {
  hear: Sound | null = null;
  heard: Sound | null = null;
  lossIn = 0;
  lossOut = 0;
  #in: Totals | null = null;
  #out: Totals | null = null;
  #hear = new Steady();
  #heard = new Steady();

  read(report: Iterable<Record<string, unknown>>, now: number): void {
    let inbound: Record<string, unknown> | null = null;
    let outbound: Record<string, unknown> | null = null;
    let remote: Record<string, unknown> | null = null;
    for (const row of report) {
      if (row.kind !== 'audio') continue;
      if (row.type === 'inbound-rtp') inbound = row;
      if (row.type === 'outbound-rtp') outbound = row;
      if (row.type === 'remote-inbound-rtp') remote = row;
    }
    const n = (row: Record<string, unknown> | null, key: string) => Number(row?.[key] ?? 0);
    if (inbound) {
      const totals = { packets: n(inbound, 'packetsReceived'), lost: Math.max(0, n(inbound, 'packetsLost')) };
      const since = rise(totals, this.#in);
      this.#in = totals;
      this.lossIn = since.packets + since.lost ? since.lost / (since.packets + since.lost) : 0;
      this.hear = this.#hear.see(grade({ ...since, jitterMs: n(inbound, 'jitter') * 1000, rttMs: null }), now);
    }
    if (outbound) {
      const totals = { packets: n(outbound, 'packetsSent'), lost: remote ? Math.max(0, n(remote, 'packetsLost')) : 0 };
      const since = rise(totals, this.#out);
      this.#out = totals;
      this.lossOut = since.packets ? Math.min(1, since.lost / since.packets) : 0;
      const jitterMs = n(remote, 'jitter') * 1000;
      const rttMs = remote?.roundTripTime === undefined ? null : n(remote, 'roundTripTime') * 1000;
      const counted = { packets: Math.max(0, since.packets - since.lost), lost: since.lost, jitterMs, rttMs };
      this.heard = this.#heard.see(grade(counted), now);
    }
  }
}
