/** What is said about a call, derived from its value alone. */

import type { Key } from '../i18n/en';
import type { Call } from './call';
import { isFailure } from './reasons';

export type Tone = 'live' | 'wait' | 'end';
export interface Label {
  key: Key;
  tone: Tone;
  /** Second half of the line, smaller. */
  note: Key | null;
  /** Timer to show beside it, ms, or null. */
  timer: number | null;
}

/** "Connecting sound…" is said only when the wait is long enough to be noticed. */
const CONNECTING_AFTER = 400;

export function label(call: Call, now: number): Label {
  const since = (start: number | null) => (start === null ? null : now - start);
  const of = (key: Key, tone: Tone, note: Key | null, timer: number | null): Label => ({ key, tone, note, timer });
  if (call.phase === 'ended') {
    const key = `reason.${call.reason ?? 'failed'}` as Key;
    return of(key, isFailure(call.reason) ? 'end' : 'live', null, null);
  }
  if (call.lostUntil !== null) {
    return of('state.reconnecting', 'wait', 'state.kept', Math.max(0, call.lostUntil - now));
  }
  switch (call.phase) {
    case 'calling':
      return of('state.calling', 'live', null, null);
    case 'ringing':
      return of('state.ringing', 'live', null, since(call.created));
    case 'incoming':
      return of('state.incoming', 'live', null, since(call.created));
    case 'connecting':
      if (call.held !== null) return of('state.held', 'wait', 'state.held.note', since(call.held));
      return now - (call.answered ?? now) < CONNECTING_AFTER
        ? of('state.talking', 'live', null, since(call.answered))
        : of('state.connecting', 'live', null, null);
    default:
      if (call.held !== null) return of('state.held', 'wait', 'state.held.note', since(call.held));
      if (call.heldByThem) return of('state.heldByThem', 'wait', null, since(call.answered));
      if (call.muted) return of('state.muted', 'wait', null, since(call.answered));
      return of('state.talking', 'live', null, since(call.answered));
  }
}
