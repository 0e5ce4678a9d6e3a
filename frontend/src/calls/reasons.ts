/** Why a call ended, as one word of ours; the sentence for it is in the dictionaries under `reason.<word>`. */

export type Reason =
  | 'you' | 'them' | 'server' | 'cancelled' | 'missed' | 'elsewhere' | 'you_declined'
  | 'busy' | 'declined' | 'no_answer' | 'unknown' | 'incomplete' | 'offline' | 'codec' | 'srtp' | 'forbidden'
  | 'emergency' | 'unavailable' | 'ports' | 'connection' | 'sound' | 'page_gone' | 'phone_gone' | 'restart'
  | 'mic_none' | 'mic_blocked' | 'mic_used' | 'mic_insecure' | 'mic_failed' | 'no_extension' | 'failed';

/** Ends that went as somebody wanted: said for six seconds. Every other stays until it is dismissed. */
const QUIET: ReadonlySet<Reason> = new Set<Reason>([
  'you', 'them', 'cancelled', 'missed', 'elsewhere', 'you_declined',
]);

export const isFailure = (reason: Reason | null): boolean => reason !== null && !QUIET.has(reason);
export const isMicrophone = (reason: Reason | null): boolean => reason !== null && reason.startsWith('mic_');

/** To dial the same number once more cannot end otherwise. */
const SETTLED: ReadonlySet<Reason> = new Set<Reason>(['emergency', 'forbidden', 'no_extension', 'srtp']);
export const canRetry = (reason: Reason | null): boolean => reason !== null && !SETTLED.has(reason);

/** The server's own word for a cause (the call record and the X-UC-Cause header share them). */
const CAUSES: Record<string, Reason> = {
  no_answer: 'no_answer', busy: 'busy', declined: 'declined', cancelled: 'cancelled',
  callee_offline: 'offline', number_unknown: 'unknown', emergency: 'emergency', forbidden: 'forbidden',
  no_common_codec: 'codec', srtp_required: 'srtp', srtp_refused: 'srtp', media_lost: 'sound', browser_gone: 'page_gone', phone_gone: 'phone_gone',
  server_restart: 'restart', no_media_ports: 'ports', no_media_engine: 'unavailable', answered_elsewhere: 'elsewhere',
  callee_unreachable: 'offline', callee_unavailable: 'offline',
};

/** SIP status of a refused call, RFC 3261 section 21. */
const STATUSES: Record<number, Reason> = {
  401: 'forbidden', 403: 'forbidden', 404: 'unknown', 407: 'forbidden', 408: 'no_answer', 410: 'unknown',
  480: 'offline', 484: 'incomplete', 486: 'busy', 487: 'cancelled', 488: 'codec', 500: 'failed',
  503: 'unavailable', 504: 'no_answer', 600: 'busy', 603: 'declined', 604: 'unknown', 606: 'codec',
};

export interface Refusal {
  status: number;
  phrase: string;
  cause: string;
}

/** Why our INVITE was refused: the server's cause, else a telling phrase, else the status. */
export function refused({ status, phrase, cause }: Refusal): Reason {
  const known = CAUSES[cause];
  if (known) return known;
  if (/emergency/i.test(phrase)) return 'emergency';
  if (/no answer/i.test(phrase)) return 'no_answer';
  if (/media ports/i.test(phrase)) return 'ports';
  return STATUSES[status] ?? (status >= 500 ? 'unavailable' : 'failed');
}

/** Why a call that came to us stopped ringing. A Reason header with 200 means that another device has it. */
export function withdrawn(reasonHeader: string): Reason {
  return /cause\s*=\s*200|elsewhere/i.test(reasonHeader) ? 'elsewhere' : 'missed';
}

/** Who or what ended an answered call. `cause` is X-UC-Cause of the BYE, '' when the far end just hung up. */
export function hungUp(by: 'you' | 'them', cause: string): Reason {
  if (by === 'you') return 'you';
  const known = CAUSES[cause];
  return known && isFailure(known) ? known : 'them';
}

export interface RecordLike {
  result: string;
  status: number | null;
  cause: string | null;
}

/** The reason of a call in the history; null when it was answered and ended as calls do. */
export function ofRecord({ result, status, cause }: RecordLike): Reason | null {
  const known = cause ? CAUSES[cause] : undefined;
  if (result === 'answered') return known && isFailure(known) ? known : null;
  if (known) return known;
  const results: Record<string, Reason> = {
    missed: 'no_answer', busy: 'busy', declined: 'declined', cancelled: 'cancelled',
    unavailable: 'offline', not_found: 'unknown', forbidden: 'forbidden',
  };
  return results[result] ?? (status ? refused({ status, phrase: '', cause: '' }) : 'failed');
}
