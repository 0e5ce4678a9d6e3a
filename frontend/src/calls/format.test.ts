import { expect, it } from 'vitest';
import { clock, codecName, dialable, initials, length, shortLength } from './format';

it('writes lengths', () => {
  expect([0, 65_400, 3_723_000].map(clock)).toEqual(['00:00', '01:05', '1:02:03']);
  expect([41, 136, 120, 7500].map(length)).toEqual(['41 s', '2 min 16 s', '2 min', '2 h 5 min']);
  expect([25, 136, 3723].map(shortLength)).toEqual(['0:25', '2:16', '1:02:03']);
  expect(clock(-5)).toBe('00:00');
});

it('names codecs', () => {
  expect(['opus/48000/2', 'G722/8000', 'PCMA/8000', null].map(codecName)).toEqual(['Opus', 'G.722', 'PCMA', '–']);
});

it('makes initials', () => {
  expect(['Sales 2', 'Reception', 'Maria da Silva', 'Éva', ''].map((n) => initials(n))).toEqual(['S2', 'RE', 'MS', 'ÉV', '?']);
  expect(initials('', '+55 11 5555-0173')).toBe('73');
  expect(initials('*43')).toBe('43');
});

it('tells numbers from names', () => {
  expect(dialable(' +55 (11) 5555-0173 ')).toBe('+551155550173');
  expect(dialable('*43')).toBe('*43');
  expect(dialable('Sales 2')).toBeNull();
  expect(dialable('')).toBeNull();
  expect(dialable('200@evil.example')).toBeNull();
});
