/** Words for a call of the history, out of its record. */

import type { CallRecord } from '../api/types';
import type { Key } from '../i18n/en';
import { ofRecord } from './reasons';

const RESULTS = new Set(['answered', 'busy', 'declined', 'cancelled', 'unavailable', 'not_found', 'forbidden', 'failed']);

/** One or two words for the list. Nobody answering is "missed" to the called and "no answer" to the caller. */
export function resultKey(call: CallRecord): Key {
  if (call.direction === 'missed') return 'result.missed';
  if (call.result === 'missed') return 'result.no_answer';
  return `result.${RESULTS.has(call.result) ? call.result : 'failed'}` as Key;
}

const SAID = new Set([
  'busy', 'declined', 'no_answer', 'cancelled', 'offline', 'unknown', 'codec', 'srtp', 'emergency', 'forbidden', 'sound',
  'page_gone', 'phone_gone', 'restart', 'ports', 'unavailable', 'failed',
]);

/** The sentence that says what went wrong; null when nothing did. */
export function whatHappened(call: CallRecord): Key | null {
  const reason = ofRecord(call);
  if (reason === null) return null;
  return `said.${SAID.has(reason) ? reason : 'failed'}` as Key;
}
