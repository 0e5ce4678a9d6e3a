/** What a call that comes in does outside the page: sound in one tab of several, a notification, the title.
 * The tab that holds the lock "uc.ring" makes the sound; another takes over when it is closed. */

import { t } from '../i18n/index.svelte';
import { shownName, type Call } from '../calls/call';
import { startRingback, startRinging, stopRingback, stopRinging } from '../media/tones';
import { prefs } from './prefs.svelte';

let leader = !navigator.locks;
let wanted = false;
let silenced = '';
const notes = new Map<string, Notification>();

navigator.locks?.request('uc.ring', () => {
  leader = true;
  if (wanted) void startRinging();
  return new Promise<void>(() => {});
});

/** A tab that has silenced a call silences it in all tabs. */
const channel = typeof BroadcastChannel === 'function' ? new BroadcastChannel('uc.ring') : null;
channel?.addEventListener('message', ({ data }) => {
  if (data === 'silence') hush();
});

function hush(): void {
  wanted = false;
  stopRinging();
}

export function silence(ids: string): void {
  silenced = ids;
  channel?.postMessage('silence');
  hush();
}

function notify(call: Call): void {
  if (!leader || !prefs.notify || document.visibilityState === 'visible') return;
  if (typeof Notification !== 'function' || Notification.permission !== 'granted' || notes.has(call.id)) return;
  const note = new Notification(shownName(call.peer), {
    body: t('incoming.call'), tag: `uc-${call.peer.number}`, requireInteraction: true, icon: '/static/app/icon.svg',
  });
  note.onclick = () => {
    window.focus();
    note.close();
  };
  notes.set(call.id, note);
}

/** Called whenever the calls change; `busy` means that one is being spoken in. */
export function follow(ringing: Call[], current: Call | null): void {
  const ids = ringing.map(({ id }) => id).join(' ');
  const busy = current !== null && current.held === null;
  wanted = ringing.length > 0 && !busy && prefs.ring && ids !== silenced;
  if (wanted && leader) void startRinging();
  else stopRinging();
  if (current?.direction === 'out' && current.phase === 'ringing' && !current.early) startRingback();
  else stopRingback();
  ringing.forEach(notify);
  for (const [id, note] of notes) {
    if (ringing.some((call) => call.id === id)) continue;
    note.close();
    notes.delete(id);
  }
}

export function pageTitle(ringing: Call[], current: Call | null, place: string): string {
  const first = ringing[0];
  if (first) return `☎ ${shownName(first.peer)}`;
  if (current) return `${shownName(current.peer)} · ${t('call.page')}`;
  return place;
}
