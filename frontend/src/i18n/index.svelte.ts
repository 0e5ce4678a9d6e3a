/** Words in the language that the account chose, else that of the browser. `t` is reactive: a change of language shows at once. */

import { en, type Key } from './en';
import { pt } from './pt';

export type Language = 'en' | 'pt-BR';
type Params = Record<string, string | number>;

const KEY = 'uc.language';
const fromTag = (tag: string): Language => (tag.toLowerCase().startsWith('pt') ? 'pt-BR' : 'en');
const browsers = (): Language => fromTag(navigator.languages?.[0] ?? navigator.language ?? 'en');

let current = $state<Language>(fromTag(localStorage.getItem(KEY) ?? browsers()));
document.documentElement.lang = current;

export const language = (): Language => current;
export const locale = (): string => (current === 'pt-BR' ? 'pt-BR' : 'en-GB');

/** The account's choice; '' follows the browser. It is kept here too, so that the next page begins in it. */
export function setLanguage(tag: string): void {
  current = tag ? fromTag(tag) : browsers();
  if (tag) localStorage.setItem(KEY, current);
  else localStorage.removeItem(KEY);
  document.documentElement.lang = current;
}

export function t(key: Key, params: Params = {}): string {
  const words = (current === 'pt-BR' ? pt : en)[key];
  return words.replace(/\{(\w+)\}/g, (_, name: string) => String(params[name] ?? ''));
}

/** The singular where there is one: keys `<key>.one` and `<key>.other` with {n}. */
export function plural(key: 'history.count' | 'incoming.more', n: number): string {
  return t(`${key}.${n === 1 ? 'one' : 'other'}`, { n });
}
