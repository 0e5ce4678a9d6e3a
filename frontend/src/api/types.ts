/** What /api/v1 answers. Times are unix seconds unless a name says otherwise. */

export interface Me {
  user: { id: number; username: string; name: string; is_admin: boolean; language: string };
  extension: { number: string; name: string } | null;
  company: string;
  version: string;
}

export interface SipAccount {
  uri: string;
  username: string;
  password: string;
  realm: string;
  ws_path: string;
  expires_in: number;
  display_name: string;
  grace_s: number;
  ice_servers: RTCIceServer[];
}

export interface KeptCall {
  id: string;
  call_id: string;
  from_tag: string;
  to_tag: string;
  peer: Person;
  state: 'ringing' | 'talking' | 'held';
  direction: 'in' | 'out';
  answered: number | null;
}

export interface Person {
  number: string;
  name: string;
}

export type Sound = 'clear' | 'fair' | 'poor' | 'none';

export interface LegStats {
  in?: { packets?: number; bytes?: number; lost?: number; jitter_ms?: number; discarded?: number };
  out?: { packets?: number; bytes?: number };
  rtt_ms?: number;
  remote_lost?: number;
  remote_jitter_ms?: number;
}

export interface RecordLeg {
  id: string;
  role: 'caller' | 'callee';
  number: string;
  device: 'browser' | 'phone' | null;
  codec?: string | null;
  outcome?: string | null;
  stats?: LegStats | null;
}

export interface CallRecord {
  id: string;
  direction: 'in' | 'out' | 'missed';
  peer: Person;
  caller: Person | null;
  callee: Person | null;
  dialled: string;
  created: number;
  rang: number | null;
  answered: number | null;
  ended: number | null;
  duration_s: number | null;
  result: string;
  status: number | null;
  cause: string | null;
  hung_up_by: 'caller' | 'callee' | 'server' | null;
  legs: RecordLeg[];
  sound: Sound | null;
}

export interface CallPage {
  items: CallRecord[];
  count: number;
  next: string | null;
}

export interface Lane {
  id: string;
  role: string;
  device: string | null;
  label: string;
}

export interface TraceItem {
  t: number;
  time: number;
  kind: 'sip' | 'event';
  from: string;
  to: string;
  label: string;
  class: 'request' | '1xx' | '2xx' | 'error' | 'media' | 'warn';
  detail: string | null;
  text: string | null;
}

export interface Trace {
  lanes: Lane[];
  items: TraceItem[];
}
