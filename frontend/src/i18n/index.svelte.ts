/** Words in the language of the account, else of the browser. `t` is reactive: a change of language shows at once. */

import { en, type Key } from './en';
import { pt } from './pt';

export type Language = 'en' | 'pt-br';
type Params = Record<string, string | number>;

const KEY = 'uc.language';
const fromTag = (tag: string): Language => (tag.toLowerCase().startsWith('pt') ? 'pt-br' : 'en');

function initial(): Language {
  const kept = localStorage.getItem(KEY);
  return fromTag(kept ?? navigator.languages?.[0] ?? navigator.language ?? 'en');
}

let current = $state<Language>(initial());
document.documentElement.lang = current === 'pt-br' ? 'pt-BR' : 'en';

export const language = (): Language => current;
export const locale = (): string => (current === 'pt-br' ? 'pt-BR' : 'en-GB');
export const languageChosen = (): boolean => localStorage.getItem(KEY) !== null;

export function setLanguage(tag: string): void {
  current = fromTag(tag);
  localStorage.setItem(KEY, current);
  document.documentElement.lang = current === 'pt-br' ? 'pt-BR' : 'en';
}

export function t(key: Key, params: Params = {}): string {
  const words = (current === 'pt-br' ? pt : en)[key];
  return words.replace(/\{(\w+)\}/g, (_, name: string) => String(params[name] ?? ''));
}

/** The singular where there is one: keys `<key>.one` and `<key>.other` with {n}. */
export function plural(key: 'history.count' | 'incoming.more', n: number): string {
  return t(`${key}.${n === 1 ? 'one' : 'other'}`, { n });
}
