/** One call as this page knows it: a plain value, moved on only by `step`. Every label, button and
 * announcement is derived from it. Times are milliseconds since the epoch. */

import type { Reason } from './reasons';

export type Phase = 'calling' | 'ringing' | 'incoming' | 'connecting' | 'talking' | 'ended';
export type Direction = 'in' | 'out';
export interface Party {
  number: string;
  name: string;
}

/** The SIP dialog, as a Replaces header names it (RFC 3891): tags as the server sees them. */
export interface DialogId {
  callId: string;
  fromTag: string;
  toTag: string;
}

export interface Call {
  readonly id: string;
  readonly direction: Direction;
  readonly peer: Party;
  /** The number they dialled to reach us, where it is not our own. */
  readonly dialled: string;
  readonly phase: Phase;
  readonly created: number;
  readonly answered: number | null;
  readonly ended: number | null;
  readonly muted: boolean;
  /** Since when we hold them; null when we do not. */
  readonly held: number | null;
  readonly heldByThem: boolean;
  /** Packets can flow: ICE and DTLS are through. */
  readonly sound: boolean;
  /** Early media: the far end sends its own ringing tone. */
  readonly early: boolean;
  /** When the grace of the server ends, while the page is cut off; null when it is not. */
  readonly lostUntil: number | null;
  /** Taken over after a reload or a lost connection. */
  readonly back: boolean;
  readonly digits: string;
  readonly dialog: DialogId | null;
  readonly reason: Reason | null;
}

export type CallEvent =
  | { type: 'ringing' }
  | { type: 'early' }
  | { type: 'answered' }
  | { type: 'sound'; on: boolean }
  | { type: 'mute'; on: boolean }
  | { type: 'hold'; on: boolean }
  | { type: 'theyHold'; on: boolean }
  | { type: 'lost'; graceMs: number }
  | { type: 'back' }
  | { type: 'digit'; digit: string }
  | { type: 'dialog'; dialog: DialogId }
  | { type: 'name'; name: string }
  | { type: 'end'; reason: Reason };

type EventOf<T extends CallEvent['type']> = Extract<CallEvent, { type: T }>;
type Row = { [T in CallEvent['type']]?: (call: Call, event: EventOf<T>, now: number) => Call };

const mute: Row['mute'] = (call, { on }) => ({ ...call, muted: on });
const name: Row['name'] = (call, event) => ({ ...call, peer: { ...call.peer, name: event.name } });
const dialog: Row['dialog'] = (call, event) => ({ ...call, dialog: event.dialog });
const sound: Row['sound'] = (call, { on }) => ({ ...call, sound: on });
const end: Row['end'] = (call, { reason }, now) => ({
  ...call, phase: 'ended', ended: now, reason, lostUntil: null, sound: false,
});
const answered: Row['answered'] = (call, _event, now) => ({
  ...call, phase: call.sound ? 'talking' : 'connecting', answered: call.answered ?? now,
});
const hold: Row['hold'] = (call, { on }, now) => ({ ...call, held: on ? (call.held ?? now) : null });
const theyHold: Row['theyHold'] = (call, { on }) => ({ ...call, heldByThem: on });
const lost: Row['lost'] = (call, { graceMs }, now) => ({ ...call, lostUntil: call.lostUntil ?? now + graceMs });
const digit: Row['digit'] = (call, event) => ({ ...call, digits: call.digits + event.digit });

const ringingOut: Row = {
  ringing: (call) => ({ ...call, phase: 'ringing' }),
  early: (call) => ({ ...call, phase: 'ringing', early: true }),
  answered, sound, mute, name, dialog, digit, end,
};

const live: Row = {
  sound: (call, { on }) => ({ ...call, sound: on, phase: on ? 'talking' : call.phase }),
  back: (call) => ({ ...call, lostUntil: null, back: true }),
  mute, name, dialog, hold, theyHold, lost, digit, end,
};

/** What each phase accepts. An event without a row changes nothing: it came late. */
const TABLE: Record<Phase, Row> = {
  calling: ringingOut,
  ringing: ringingOut,
  incoming: { answered, sound, mute, name, dialog, end },
  connecting: live,
  talking: live,
  ended: {},
};

export function step(call: Call, event: CallEvent, now: number): Call {
  const row = TABLE[call.phase][event.type] as ((c: Call, e: CallEvent, n: number) => Call) | undefined;
  return row ? row(call, event, now) : call;
}

export function newCall(id: string, direction: Direction, peer: Party, now: number, dialled = ''): Call {
  return {
    id, direction, peer, dialled,
    phase: direction === 'out' ? 'calling' : 'incoming',
    created: now, answered: null, ended: null,
    muted: false, held: null, heldByThem: false, sound: false, early: false,
    lostUntil: null, back: false, digits: '', dialog: null, reason: null,
  };
}

/** A call found on the server after a reload: it is being taken over, not begun. */
export function keptCall(
  id: string, direction: Direction, peer: Party, answered: number, held: boolean, graceMs: number, now: number,
): Call {
  return {
    ...newCall(id, direction, peer, now),
    phase: 'connecting', answered, held: held ? now : null, lostUntil: now + graceMs,
  };
}

export const isLive = (call: Call): boolean => call.phase !== 'ended' && call.phase !== 'incoming';
export const isEstablished = (call: Call): boolean => call.phase === 'connecting' || call.phase === 'talking';
export const isRinging = (call: Call): boolean => call.phase === 'incoming';
export const shownName = (party: Party): string => party.name || party.number;
