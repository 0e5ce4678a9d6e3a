import { expect, it } from 'vitest';
import { en, type Key } from './en';
import { pt } from './pt';

const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

it('both languages fill in the same things', () => {
  for (const key of Object.keys(en) as Key[]) expect([key, ...names(pt[key])]).toEqual([key, ...names(en[key])]);
});

it('the voice of the page: no "oops", no "please", no exclamation mark', () => {
  for (const text of [...Object.values(en), ...Object.values(pt)]) expect(text).not.toMatch(/!|\boops\b|\bplease\b|por favor/i);
});

it('every control has the name that people and tests look for', () => {
  const wanted = ['Call', 'Answer', 'Decline', 'End', 'Mute', 'Unmute', 'Hold', 'Resume', 'Keypad', 'Swap', 'Cancel', 'Test call'];
  expect(wanted.filter((word) => !(Object.values(en) as string[]).includes(word))).toEqual([]);
});
