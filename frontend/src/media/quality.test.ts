import { expect, it } from 'vitest';
import { grade, SoundWatch, Steady } from './quality';

const counted = { packets: 100, lost: 0, jitterMs: 5, rttMs: 40 };

it('grades a direction', () => {
  expect(grade(counted)).toBe('clear');
  expect(grade({ ...counted, lost: 3 })).toBe('fair');
  expect(grade({ ...counted, lost: 20 })).toBe('poor');
  expect(grade({ ...counted, jitterMs: 45 })).toBe('fair');
  expect(grade({ ...counted, packets: 0 })).toBe('none');
});

it('changes its word only after five seconds', () => {
  const steady = new Steady();
  expect(steady.see('clear', 0)).toBe('clear');
  expect(steady.see('poor', 2000)).toBe('clear');
  expect(steady.see('clear', 4000)).toBe('clear');
  expect(steady.see('poor', 6000)).toBe('clear');
  expect(steady.see('poor', 10_000)).toBe('clear');
  expect(steady.see('poor', 11_000)).toBe('poor');
});

it('reads both directions out of the statistics, by what was added since', () => {
  const watch = new SoundWatch();
  const look = (received: number, lost: number, sent: number, remoteLost: number, now: number) => watch.read([
    { type: 'inbound-rtp', kind: 'audio', packetsReceived: received, packetsLost: lost, jitter: 0.004 },
    { type: 'outbound-rtp', kind: 'audio', packetsSent: sent },
    { type: 'remote-inbound-rtp', kind: 'audio', packetsLost: remoteLost, jitter: 0.002, roundTripTime: 0.02 },
    { type: 'candidate-pair' },
  ], now);
  look(100, 0, 100, 0, 0);
  expect([watch.hear, watch.heard]).toEqual(['clear', 'clear']);
  look(200, 0, 200, 30, 2000);
  expect([watch.lossIn, watch.lossOut]).toEqual([0, 0.3]);
  look(300, 0, 300, 60, 4000);
  look(400, 0, 400, 90, 9000);
  expect([watch.hear, watch.heard]).toEqual(['clear', 'poor']);
});
