/** Days and hours in the page's language. */

import { locale, t } from '../i18n/index.svelte';

const day = (date: Date): number => Math.floor((date.getTime() - date.getTimezoneOffset() * 60_000) / 86_400_000);

export const hour = (unix: number): string =>
  new Date(unix * 1000).toLocaleTimeString(locale(), { hour: '2-digit', minute: '2-digit' });

/** The hour of today, "Yesterday", the weekday of this week, else the date. */
export function when(unix: number): string {
  const date = new Date(unix * 1000);
  const ago = day(new Date()) - day(date);
  if (ago === 0) return hour(unix);
  if (ago === 1) return t('history.yesterday');
  if (ago < 7) return date.toLocaleDateString(locale(), { weekday: 'short' });
  return date.toLocaleDateString(locale(), { day: '2-digit', month: '2-digit', year: '2-digit' });
}

export const dayAndHour = (unix: number): string =>
  new Date(unix * 1000).toLocaleString(locale(), {
    weekday: 'long', day: 'numeric', month: 'long', hour: '2-digit', minute: '2-digit',
  });
