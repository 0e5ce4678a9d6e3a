import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { AFTER_ANY, AFTER_USABLE, OfferGate, usable } from './ice';

const host = (address: string, protocol = 'udp') => ({ candidate: `candidate:1 1 ${protocol} 2122260223 ${address} 50000 typ host`, address, protocol });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('knows a candidate that a server can reach', () => {
  expect(usable(host('192.168.1.20'))).toBe(true);
  expect(usable(host('5a3c.local'))).toBe(false);
  expect(usable(host('192.168.1.20', 'tcp'))).toBe(false);
  expect(usable({ candidate: 'candidate:1 1 UDP 1 10.0.0.9 9 typ host' })).toBe(true);
});

it('lets the offer go soon after the first usable candidate, within 100 ms of it', () => {
  const gate = new OfferGate();
  const ready = vi.fn();
  gate.candidate(host('10.0.0.5'), ready);
  vi.advanceTimersByTime(AFTER_USABLE - 1);
  gate.candidate(host('10.0.1.5'), ready);
  expect(ready).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(ready).toHaveBeenCalledTimes(1);
  expect(AFTER_USABLE).toBeLessThanOrEqual(100);
});

it('does not wait for ever for a usable one', () => {
  const gate = new OfferGate();
  const ready = vi.fn();
  gate.candidate(host('5a3c.local'), ready);
  vi.advanceTimersByTime(AFTER_ANY);
  expect(ready).toHaveBeenCalled();
  expect(AFTER_ANY).toBeLessThanOrEqual(150);
});

it('begins anew with a new gathering', () => {
  const gate = new OfferGate();
  const [first, second] = [vi.fn(), vi.fn()];
  gate.candidate(host('10.0.0.5'), first);
  gate.candidate(host('10.0.0.5'), second);
  vi.advanceTimersByTime(AFTER_ANY);
  expect(first).not.toHaveBeenCalled();
  expect(second).toHaveBeenCalled();
});
