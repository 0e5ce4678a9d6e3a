import { describe, expect, it } from 'vitest';
import { isEstablished, isLive, keptCall, newCall, step, type Call, type CallEvent } from './call';
import { label } from './label';

const peer = { number: '200', name: 'Reception' };
const run = (call: Call, ...events: [number, CallEvent][]): Call => events.reduce((c, [now, e]) => step(c, e, now), call);
const out = () => newCall('c1', 'out', peer, 1000);
const talking = () => run(out(), [1100, { type: 'ringing' }], [3000, { type: 'answered' }], [3100, { type: 'sound', on: true }]);

describe('an outgoing call', () => {
  it('rings, connects and talks', () => {
    const ringing = run(out(), [1100, { type: 'ringing' }]);
    expect(label(ringing, 7100)).toMatchObject({ key: 'state.ringing', tone: 'live', timer: 6100 });
    const connecting = run(ringing, [8000, { type: 'answered' }]);
    expect(connecting.phase).toBe('connecting');
    // Said only when the wait is long enough to be noticed.
    expect(label(connecting, 8300).key).toBe('state.talking');
    expect(label(connecting, 8500).key).toBe('state.connecting');
    expect(label(run(connecting, [8600, { type: 'sound', on: true }]), 50_000)).toMatchObject({ key: 'state.talking', timer: 42_000 });
  });

  it('talks at once when the sound came early', () => {
    const call = run(out(), [1, { type: 'early' }], [2, { type: 'sound', on: true }], [3, { type: 'answered' }]);
    expect(call).toMatchObject({ phase: 'talking', early: true });
  });

  it('keeps the first time of the answer', () => {
    expect(run(talking(), [9000, { type: 'answered' }]).answered).toBe(3000);
  });
});

describe('states of a call that is up', () => {
  it('prefers the strongest word: lost, held, held by them, muted', () => {
    let call = step(talking(), { type: 'mute', on: true }, 4000);
    expect(label(call, 4000).key).toBe('state.muted');
    call = step(call, { type: 'theyHold', on: true }, 5000);
    expect(label(call, 5000).key).toBe('state.heldByThem');
    call = step(call, { type: 'hold', on: true }, 6000);
    expect(label(call, 16_000)).toMatchObject({ key: 'state.held', tone: 'wait', timer: 10_000 });
    call = step(call, { type: 'lost', graceMs: 8000 }, 20_000);
    expect(label(call, 22_000)).toMatchObject({ key: 'state.reconnecting', timer: 6000 });
    call = step(call, { type: 'back' }, 23_000);
    expect(label(call, 23_000).key).toBe('state.held');
    expect(call.back).toBe(true);
  });

  it('does not restart the hold or the grace when either is said twice', () => {
    const held = run(talking(), [5000, { type: 'hold', on: true }], [6000, { type: 'hold', on: true }]);
    expect(held.held).toBe(5000);
    const lost = run(held, [7000, { type: 'lost', graceMs: 8000 }], [9000, { type: 'lost', graceMs: 8000 }]);
    expect(lost.lostUntil).toBe(15_000);
  });

  it('remembers digits', () => {
    expect(run(talking(), [1, { type: 'digit', digit: '4' }], [2, { type: 'digit', digit: '#' }]).digits).toBe('4#');
  });
});

describe('events without a row', () => {
  it('change nothing', () => {
    const incoming = newCall('c2', 'in', peer, 0);
    for (const event of [{ type: 'ringing' }, { type: 'hold', on: true }, { type: 'lost', graceMs: 1 }, { type: 'back' }] as CallEvent[]) {
      expect(step(incoming, event, 5)).toBe(incoming);
    }
    const over = step(talking(), { type: 'end', reason: 'them' }, 9000);
    for (const event of [{ type: 'answered' }, { type: 'sound', on: true }, { type: 'end', reason: 'you' }] as CallEvent[]) {
      expect(step(over, event, 9999)).toBe(over);
    }
    expect(over).toMatchObject({ phase: 'ended', ended: 9000, reason: 'them', sound: false });
  });
});

it('a call taken over after a reload counts on from its answer', () => {
  const kept = keptCall('c1', 'in', peer, 1000, false, 8000, 60_000);
  expect(isEstablished(kept) && isLive(kept)).toBe(true);
  expect(label(kept, 61_000).key).toBe('state.reconnecting');
  const back = run(kept, [61_500, { type: 'back' }], [61_600, { type: 'sound', on: true }]);
  expect(label(back, 61_600)).toMatchObject({ key: 'state.talking', timer: 60_600 });
});
