/** Keys of the whole page. Those of the first group work also in fields; single letters only outside, and only when
 * they are not switched off. Nobody's cursor is moved while they type. */

import { desk } from '../calls/desk.svelte';
import { go, here } from './router.svelte';
import { prefs } from './prefs.svelte';

export interface KeyHooks {
  help(): void;
}

let talking = false;
let went = 0;

const inField = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement
  && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  && !/^(checkbox|radio|range|button)$/.test((target as HTMLInputElement).type);

const onControl = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest('button, a, input, select, textarea, summary, [role]:not([role="main"])') !== null;

export function focusSearch(): void {
  const field = () => document.querySelector<HTMLInputElement>('[data-search]');
  const now = field();
  if (now) {
    now.focus();
    now.select();
    return;
  }
  go('/phone', { focus: false });
  requestAnimationFrame(() => field()?.focus());
}

function focusDial(): void {
  if (here().page !== 'phone') go('/phone', { focus: false });
  requestAnimationFrame(() => document.querySelector<HTMLInputElement>('[data-dial]')?.focus());
}

function nextRegion(): void {
  const regions = [...document.querySelectorAll<HTMLElement>('[data-region]')].filter((e) => e.offsetParent !== null);
  const at = regions.findIndex((region) => region.contains(document.activeElement));
  const next = regions[(at + 1) % regions.length];
  if (!next) return;
  if (next.tabIndex < 0) next.tabIndex = -1;
  next.focus();
}

function everywhere(event: KeyboardEvent): boolean {
  const first = desk.ringing[0];
  const current = desk.current;
  const combo = (event.shiftKey ? 'Shift ' : '') + event.key;
  switch (combo) {
    case 'F2':
      if (first) void desk.answer(first.id);
      else void desk.swap();
      return true;
    case 'Shift F2':
      if (first) desk.end(first.id);
      else if (current) desk.end(current.id);
      return true;
    case 'F8':
      if (current) desk.mute(current.id);
      return true;
    case 'Shift F8':
      if (current) void desk.hold(current.id, current.held === null);
      return true;
    case 'F6':
      nextRegion();
      return true;
  }
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
    focusSearch();
    return true;
  }
  return false;
}

function outside(event: KeyboardEvent, hooks: KeyHooks): boolean {
  const current = desk.current;
  if (current && desk.keypad && /^[\d*#]$/.test(event.key)) {
    desk.digit(current.id, event.key);
    return true;
  }
  if (!prefs.keys) return false;
  if (Date.now() - went < 1500) {
    went = 0;
    const path = { p: '/phone', y: '/history' }[event.key.toLowerCase()];
    if (path) go(path);
    return path !== undefined;
  }
  switch (event.key.toLowerCase()) {
    case 'm':
      if (current) desk.mute(current.id);
      return true;
    case 'h':
      if (current) void desk.hold(current.id, current.held === null);
      return true;
    case 'k':
      if (current) desk.keypad = !desk.keypad;
      return true;
    case 'd':
      focusDial();
      return true;
    case '/':
      focusSearch();
      return true;
    case 'g':
      went = Date.now();
      return true;
    case '?':
      hooks.help();
      return true;
  }
  return false;
}

export function listenToKeys(hooks: KeyHooks): void {
  addEventListener('keydown', (event) => {
    // Held for speaking, the key must not scroll the page meanwhile.
    if (talking && event.key === ' ') return event.preventDefault();
    if (event.isComposing || event.repeat) return;
    if (everywhere(event)) return event.preventDefault();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Escape' && desk.keypad && !document.querySelector('dialog[open], :popover-open')) {
      desk.keypad = false;
      return;
    }
    if (event.key === ' ' && desk.current?.muted && !onControl(event.target)) {
      talking = true;
      desk.mute(desk.current.id, false);
      return event.preventDefault();
    }
    if (!inField(event.target) && !document.querySelector('dialog[open]') && outside(event, hooks)) event.preventDefault();
  });
  const muteAgain = () => {
    if (talking && desk.current) desk.mute(desk.current.id, true);
    talking = false;
  };
  addEventListener('keyup', (event) => {
    if (event.key === ' ') muteAgain();
  });
  // Another window takes the key's release.
  addEventListener('blur', muteAgain);
}
